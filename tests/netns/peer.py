"""The example program `peer` of the crate phytomer-p2p: JSON lines out, commands in."""

import json
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lab import Host, Lab

Event = dict[str, Any]
WAIT_S = 60
ASK_EVERY_S = 0.5
POLL_S = 0.05
EVENTS_SHOWN = 20
STDERR_LINES_MAX = 40


class TooLate(Exception):
    """What was waited for did not happen."""


@dataclass
class Peer:
    """A running peer: all that it told so far, in order, and when."""

    name: str
    process: subprocess.Popen
    events: list[Event] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _incoming: "queue.SimpleQueue[Event]" = field(default_factory=queue.SimpleQueue)

    @classmethod
    def start(cls, lab: Lab, host: Host, name: str, *options: str) -> "Peer":
        """A peer in a namespace; its key follows from the number of peers before it."""
        seed = str(1 + len(lab.processes))
        command = (lab.program("peer"), "--seed", seed, "--no-mdns", *options)
        pipe = subprocess.PIPE
        peer = cls(name, lab.spawn(host, *command, stdin=pipe, stdout=pipe, stderr=pipe))
        threading.Thread(target=peer._read, daemon=True).start()
        threading.Thread(target=peer._complain, daemon=True).start()
        peer.until("to listen", lambda event: event["event"] == "listening")
        return peer

    def _read(self) -> None:
        for line in self.process.stdout:
            self._incoming.put(json.loads(line) | {"at_s": time.monotonic()})
        self._incoming.put({"event": "ended", "at_s": time.monotonic()})

    def _complain(self) -> None:
        for line in self.process.stderr:
            self.complaints = [*self.complaints[1 - STDERR_LINES_MAX :], line.rstrip()]

    @property
    def started(self) -> Event:
        return self.until("to start", lambda event: event["event"] == "started")

    @property
    def id(self) -> str:
        return self.started["peer"]

    def tell(self, command: str) -> None:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.tell("quit")
        self.process.wait(WAIT_S)

    def until(self, what: str, is_it: Callable[[Event], bool], limit_s: float = WAIT_S) -> Event:
        """The first event, of all that came and will come, that is it."""
        for event in self.events:
            if is_it(event):
                return event
        end_s = time.monotonic() + limit_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                event = self._incoming.get(timeout=left_s)
            except queue.Empty:
                break
            self.events.append(event)
            if is_it(event):
                return event
            if event["event"] == "ended":
                break
        told = "\n".join(json.dumps(event) for event in self.events[-EVENTS_SHOWN:])
        complained = "\n".join(self.complaints)
        raise TooLate(f"{self.name}: {what} did not come within {limit_s} s; it told\n{told}\nand said\n{complained}")

    def status(self) -> Event:
        """What it says of itself and of its peers now."""
        known = len(self.events)
        self.tell("status")
        return self.until("its status", lambda event: event["event"] == "status" and event in self.events[known:])

    def until_status(self, what: str, is_it: Callable[[Event], bool], limit_s: float = WAIT_S) -> Event:
        """Asks for its status until it is as wanted."""
        end_s = time.monotonic() + limit_s
        while not is_it(status := self.status()):
            if time.monotonic() > end_s:
                raise TooLate(f"{self.name}: {what} did not come within {limit_s} s; its status is {status}")
            time.sleep(ASK_EVERY_S)
        return status

    def until_connected(self, other: "Peer", route: str) -> Event:
        """Waits until it is, or was, connected to another peer by this route."""
        return self.until(
            f"a connection to {other.name} by {route}",
            lambda event: event["event"] == "connected" and (event["peer"], event["route"]) == (other.id, route),
        )

    def heard(self) -> list[str]:
        """The texts of all gossip that reached it so far."""
        return [event["data"] for event in self.events if event["event"] == "gossip"]

    def until_heard(self, texts: set[str], limit_s: float = WAIT_S) -> None:
        """Waits until all these texts came by gossip."""
        missing = texts - set(self.heard())

        def is_last(event: Event) -> bool:
            if event["event"] == "gossip":
                missing.discard(event["data"])
            return not missing

        if missing:
            self.until(f"gossip ({len(texts)} messages)", is_last, limit_s)


def until_said(peers: Iterable[Peer], pattern: str, limit_s: float = WAIT_S) -> None:
    """Waits until the log of one of the peers has a line with this pattern."""
    end_s = time.monotonic() + limit_s
    while not any(re.search(pattern, line) for peer in peers for line in peer.complaints):
        if time.monotonic() > end_s:
            raise TooLate(f"nobody said `{pattern}` within {limit_s} s")
        time.sleep(POLL_S)
