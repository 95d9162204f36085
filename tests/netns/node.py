"""A whole node, driven over its REST API."""

import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import Host, Lab
from peer import STDERR_LINES_MAX, TooLate

PORT = 30310
START_S = 90
REQUEST_S = 60
POLL_S = 0.05
URL = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass
class Node:
    """A running node of a development chain; it listens for peers at one address."""

    name: str
    host: Host
    folder: Path
    process: subprocess.Popen
    port: int = 0
    said: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, lab: Lab, name: str, ip: str, join: "Node | None" = None) -> "Node":
        """Starts a node in the namespace of its name: the one that makes blocks, or a follower."""
        folder = lab.folder / name
        options = ["--data-dir", str(folder), "--http-port", "0", "--p2p-listen", f"{ip}:{PORT}"]
        if join:
            options += ["--join", join.address, "--genesis", str(join.folder / "genesis.json")]
        # Variables that begin with the program's name would be settings.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PHYTOMER")}
        process = lab.spawn(
            lab.hosts[name],
            *(lab.program("phytomer"), "dev", *options),
            env=environment | {"NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        node = cls(name, lab.hosts[name], folder, process)
        threading.Thread(target=node._read, daemon=True).start()
        node.until("its URL", lambda: node.port, START_S)
        return node

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said = [*self.said[1 - STDERR_LINES_MAX :], line.rstrip()]
            if not self.port and (found := URL.search(line)):
                self.port = int(found[1])

    def until(self, what: str, find, limit_s: float = REQUEST_S):
        """Waits until `find` finds something, and returns it."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            if found := find():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(POLL_S)
        raise TooLate(f"{self.name}: {what} did not come within {limit_s} s; it said\n" + "\n".join(self.said))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Asks the node; raw bytes go and come as they are, anything else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_S)
        address = ("127.0.0.1", self.port)
        connection.sock = self.host.within(lambda: socket.create_connection(address, REQUEST_S))
        headers = {}
        if method == "POST":
            headers["authorization"] = f"Bearer {(self.folder / 'operator.token').read_text().strip()}"
        if body is not None and not isinstance(body, bytes):
            headers["content-type"], body = "application/json", json.dumps(body)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise TooLate(f"{self.name}: {method} {path}: {answer.status} {content.decode()}")
        if "json" in answer.headers.get("content-type", ""):
            return json.loads(content)
        return content

    @property
    def address(self) -> str:
        """Where peers reach it."""
        listen = self.ask("GET", "/v1/network")["listenAddresses"]
        return next(address for address in listen if "/quic-v1" in address)

    @property
    def operator(self) -> str:
        return self.ask("GET", "/v1/network")["operator"]

    def peers(self) -> list[dict]:
        return self.ask("GET", "/v1/network/peers")["peers"]

    def append(self, stream: str, value: str) -> int:
        """Appends an event to its own log; its offset, once it is on disk."""
        event = {"encoding": "text", "value": value}
        return self.ask("POST", f"/v1/streams/{stream}/events", event)["offset"]

    def logs(self) -> dict[tuple[str, str, int], int]:
        """Each log that it holds, and the offset behind its last event."""
        streams = self.ask("GET", "/v1/streams")["streams"]
        return {(stream["name"], log["producer"], log["epoch"]): log["next"] for stream in streams for log in stream["logs"]}

    def events(self, stream: str, producer: str) -> list[Any]:
        """The values of all events of a log."""
        found, start = [], 0
        while True:
            page = self.ask("GET", f"/v1/streams/{stream}/events?producer={producer}&from={start}")
            if not page["events"]:
                return found
            found += [event["value"] for event in page["events"]]
            start = page["next"]
