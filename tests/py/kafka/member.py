"""A member of a consumer group in a process of its own, which can be ended or killed.

Says on standard output, one JSON object a line: the partitions it has (`assigned`), each event it
read (`read`: partition, offset), and each offset from which on it has committed (`committed`).
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import types

from clients import BY_NAME


def main():
    name, address, group, topic = sys.argv[1:]
    client = BY_NAME[name](types.SimpleNamespace(address=address, token=None))
    ends = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ends.set())

    def say(**what):
        # One write: what was said is said, even if the process is killed.
        os.write(1, (json.dumps(what) + "\n").encode())

    client.join(group, topic, lambda partitions: say(assigned=sorted(partitions)))
    while not ends.is_set():
        events = client.poll()
        if not events:
            continue
        for event in events:
            say(read=[event.partition, event.offset])
        try:
            client.commit()
        except Exception as error:
            say(refused=repr(error))
            continue
        for event in events:
            say(committed=[event.partition, event.offset])
    client.leave()


class Member:
    """A member, as a test sees it."""

    def __init__(self, client, endpoint, group, topic):
        command = [sys.executable, pathlib.Path(__file__), client.name]
        self._process = subprocess.Popen(
            [*command, endpoint.address, group, topic],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.assigned, self.read, self.committed = [], [], set()
        self._threads = [threading.Thread(target=self._listen), threading.Thread(target=self._drain)]
        self.complaints = []
        for thread in self._threads:
            thread.start()

    def _listen(self):
        for line in self._process.stdout:
            said = json.loads(line)
            if "assigned" in said:
                self.assigned = said["assigned"]
            elif "read" in said:
                self.read.append(tuple(said["read"]))
            elif "committed" in said:
                self.committed.add(tuple(said["committed"]))
            else:
                self.complaints.append(said["refused"])

    def _drain(self):
        for line in self._process.stderr:
            self.complaints.append(line.decode())

    def leave(self):
        self._process.terminate()
        self._end()

    def kill(self):
        self._process.kill()
        self._end()

    def _end(self):
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self._process.stdout.close()
        self._process.stderr.close()
        self.assigned = []


if __name__ == "__main__":
    main()
