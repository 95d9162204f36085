"""The program under test: a Kafka endpoint in a process of its own."""

import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time

#: The binary of the crate's example `endpoint`; set by `run`.
BINARY = os.environ.get("PHYTOMER_KAFKA_ENDPOINT", "")
#: How long anything may take, in seconds: generous, since the machine may be busy.
PATIENCE_S = 60
#: How long it may take until the endpoint is filled and listens, in seconds.
START_S = 300


class Endpoint:
    """Runs the endpoint over a folder that survives restarts."""

    def __init__(self, *flags):
        self._folder = tempfile.TemporaryDirectory(prefix="phytomer-kafka-")
        self.data = pathlib.Path(self._folder.name)
        self._flags = [str(flag) for flag in flags]
        self._process = None
        self._listen = "127.0.0.1:0"
        self.start()

    def start(self):
        """Starts the process and waits until clients may connect."""
        command = [BINARY, "--data", self.data, "--listen", self._listen, *self._flags]
        self._log = open(self.data / "endpoint.log", "ab")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError((self.data / "endpoint.log").read_text())
        said = json.loads(line)
        self.address = self._listen = said["address"]
        self.topic = said["topic"]
        self.producer = said["producer"]
        self.ca = said["ca"]
        self.token = pathlib.Path(said["token"]).read_text() if said["token"] else None

    def kill(self):
        """Ends the process without any warning."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    @property
    def pid(self):
        return self._process.pid

    def close(self):
        self.kill()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Waits until `condition()` is true, and gives what it gave."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {patience_s} s for {what}")
