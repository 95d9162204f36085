"""Two nodes at the ends of a bad line: 100 ms each way, and one packet in twenty is lost."""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import Host, Lab
from node import POLL_S, Node
from report import Row

DELAY_MS = 100
LOSS = 0.05
SEED = "5"
LEFT, RIGHT = "11.0.0.1", "11.0.0.2"
EVENTS = 50
EVENT_EVERY_S = 0.1
BLOB_BYTES = 1 << 20
COPY_PORT = 9000


@contextmanager
def line(lab: Lab, left: Host, right: Host) -> Iterator[subprocess.Popen]:
    """The bad line between two hosts."""
    ends = (left.namespace, f"{LEFT}/24", right.namespace, f"{RIGHT}/24")
    program = (sys.executable, "-B", str(Path(__file__).with_name("wire.py")))
    wire = lab.spawn(None, *program, *ends, str(DELAY_MS), str(LOSS), SEED, stdout=subprocess.PIPE)
    assert wire.stdout.readline() == "ready\n", "the line could not be laid"
    yield wire
    if wire.poll() is None:
        wire.send_signal(signal.SIGTERM)


def copy_s(left: Host, right: Host, content: bytes, control: str) -> float:
    """How long the system's TCP takes to carry the content, under a congestion control."""
    listener = right.within(lambda: socket.create_server((RIGHT, COPY_PORT)))

    def receive() -> None:
        connection, _ = listener.accept()
        with connection:
            missing = len(content)
            while missing > 0 and (data := connection.recv(1 << 16)):
                missing -= len(data)
            connection.sendall(b"!" if missing == 0 else b"?")

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    started_s = time.monotonic()
    with listener, left.within(lambda: socket.create_connection((RIGHT, COPY_PORT))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        connection.sendall(content)
        assert connection.recv(1) == b"!", "the plain copy was cut short"
    receiver.join()
    return time.monotonic() - started_s


def controls() -> list[str]:
    """The one that QUIC uses here, where the system has it, and the system's own."""
    folder = Path("/proc/sys/net/ipv4")
    known = (folder / "tcp_available_congestion_control").read_text().split()
    default = (folder / "tcp_congestion_control").read_text().strip()
    return list(dict.fromkeys(control for control in ("cubic", default) if control in known))


def delays_s(source: Node, target: Node, stream: str) -> list[float]:
    """How long after its acknowledgement each event of a series is on the other node."""
    producer, acknowledged = source.operator, []

    def append() -> None:
        for number in range(EVENTS):
            source.append(stream, f"reading {number}")
            acknowledged.append(time.monotonic())
            time.sleep(EVENT_EVERY_S)

    writer = threading.Thread(target=append, daemon=True)
    writer.start()
    arrived: list[float] = []

    def is_there() -> bool:
        held = next((next_ for (name, by, _), next_ in target.logs().items() if (name, by) == (stream, producer)), 0)
        arrived.extend([time.monotonic()] * (held - len(arrived)))
        return held >= EVENTS

    target.until(f"{EVENTS} events", is_there)
    writer.join()
    assert target.events(stream, producer) == [f"reading {number}" for number in range(EVENTS)]
    return [max(there - said, 0) for there, said in zip(arrived, acknowledged, strict=True)]


def fetch_s(source: Node, target: Node, content: bytes) -> float:
    """How long a blob takes from one node to the other, each byte verified."""
    hash_ = source.ask("POST", "/v1/blobs", content)["id"]
    started_s = time.monotonic()
    target.until("the blob", lambda: target.ask("POST", f"/v1/blobs/{hash_}/fetch")["complete"], 180)
    took_s = time.monotonic() - started_s
    assert target.ask("GET", f"/v1/blobs/{hash_}") == content, "the blob is another one"
    return took_s


def kilobytes_per_s(took_s: float) -> str:
    return f"{BLOB_BYTES / took_s / 1000:.0f} kB/s"


def run(programs: dict[str, str]) -> Iterator[Row]:
    name = f"{LOSS:.0%} loss, {2 * DELAY_MS} ms"
    content = os.urandom(BLOB_BYTES)
    with Lab(programs) as lab:
        left, right = lab.host("left"), lab.host("right")
        with line(lab, left, right) as wire:
            plain = {control: copy_s(left, right, content, control) for control in controls()}
            maker = Node.start(lab, "left", LEFT)
            started_s = time.monotonic()
            follower = Node.start(lab, "right", RIGHT, join=maker)
            follower.until("a peer", follower.peers)
            yield Row(name, "connected, after the program's start", f"{time.monotonic() - started_s:.1f} s")
            rtt_us = follower.until("a round trip", lambda: follower.peers()[0]["rttUs"])
            assert rtt_us >= 2000 * DELAY_MS, f"{rtt_us} µs: the line does not delay"
            yield Row(name, "round trip as the node measures it", f"{rtt_us / 1000:.0f} ms")
            for source, target in ((maker, follower), (follower, maker)):
                delays = sorted(delays_s(source, target, "readings"))
                seen = f"p50 {statistics.median(delays) * 1000:.0f} ms, worst {delays[-1] * 1000:.0f} ms"
                yield Row(name, f"{EVENTS} of {EVENTS} events, {source.name} to {target.name}", seen)
            took_s = fetch_s(maker, follower, content)
            yield Row(name, f"blob of {BLOB_BYTES >> 10} KiB over QUIC, verified", kilobytes_per_s(took_s))
            for control, plain_s in plain.items():
                seen = f"{kilobytes_per_s(plain_s)}: ours is {plain_s / took_s:.2f} of it"
                yield Row(name, f"the same over plain TCP, {control}", seen)
            wire.send_signal(signal.SIGTERM)
            counted = json.loads(wire.stdout.readline())
        lost = counted["lost"] / (counted["lost"] + counted["passed"])
        assert counted["lost"] > 0, "a line that loses nothing proves nothing"
        yield Row(name, "packets that the line lost", f"{counted['lost']}, {lost:.1%}")
