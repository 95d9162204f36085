"""A cable between two hosts that delays and loses packets, made of two TUN devices.

    wire.py NAMESPACE ADDRESS NAMESPACE ADDRESS DELAY_MS LOSS SEED

Not every kernel has the module netem; TUN devices are everywhere. The delay is each way and
the same for every packet, so nothing is reordered. On SIGTERM it says how many packets it
passed and lost.
"""

import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque

from lab import call, enter

MTU = 1500
DEVICE = "wire0"
TUNSETIFF = 0x4004_54CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
# What waits on the cable at most, each way: 100 ms of 450 Mbit/s.
PACKETS_MAX = 4096
# Packets that are taken from one device before the other has its turn.
TURN_PACKETS_MAX = 64


def open_end(namespace: str, address: str) -> int:
    enter(namespace)
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH14x", DEVICE.encode(), IFF_TUN_NO_PI))
    call("ip", "address", "add", address, "dev", DEVICE)
    call("ip", "link", "set", DEVICE, "mtu", str(MTU), "up")
    return end


class Lane:
    """One direction of the cable."""

    def __init__(self, ends: tuple[int, int], delay_s: float, loss: float, seed: str):
        self.source, self.target = ends
        self.delay_s, self.loss = delay_s, loss
        self.chance = random.Random(seed)
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.passed = self.lost = 0

    def take(self, now_s: float) -> None:
        for _ in range(TURN_PACKETS_MAX):
            try:
                packet = os.read(self.source, MTU)
            except BlockingIOError:
                return
            if self.chance.random() < self.loss or len(self.waiting) >= PACKETS_MAX:
                self.lost += 1
            else:
                self.waiting.append((now_s + self.delay_s, packet))

    def give(self, now_s: float) -> None:
        while self.waiting and self.waiting[0][0] <= now_s:
            try:
                os.write(self.target, self.waiting.popleft()[1])
                self.passed += 1
            except BlockingIOError:
                self.lost += 1

    def due_s(self) -> float:
        return self.waiting[0][0] if self.waiting else float("inf")


def main(left: tuple[str, str], right: tuple[str, str], delay_ms: float, loss: float, seed: str) -> None:
    ends = open_end(*left), open_end(*right)
    lanes = [
        Lane(ends, delay_ms / 1000, loss, f"{seed} there"),
        Lane(ends[::-1], delay_ms / 1000, loss, f"{seed} back"),
    ]
    is_running = True

    def stop(*_) -> None:
        nonlocal is_running
        is_running = False

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while is_running:
        wait_s = min(lane.due_s() for lane in lanes) - time.monotonic()
        ready, _, _ = select.select(ends, [], [], min(max(wait_s, 0), 1))
        now_s = time.monotonic()
        for lane in lanes:
            if lane.source in ready:
                lane.take(now_s)
            lane.give(now_s)
    passed, lost = (sum(getattr(lane, name) for lane in lanes) for name in ("passed", "lost"))
    print(json.dumps({"passed": passed, "lost": lost}), flush=True)


if __name__ == "__main__":
    a, a_address, b, b_address, delay, fraction, seed = sys.argv[1:]
    main((a, a_address), (b, b_address), float(delay), float(fraction), seed)
