"""Namespaces of the network that reach each other and nothing else, and are gone afterwards."""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar

PREFIX = "phytomer"
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x4000_0000

T = TypeVar("T")


class NotAllowed(Exception):
    """This machine does not let this user do what the tests need."""


def call(*command: str) -> str:
    """Runs a program to its end; what it says is in the error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def enter(namespace: str) -> None:
    """Moves this thread, and no other, into a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(NAMESPACES / namespace, "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)


class Host:
    """A namespace: a machine of the laboratory."""

    def __init__(self, namespace: str):
        self.namespace = namespace
        self.ip("link", "set", "lo", "up")

    def ip(self, *parameters: str) -> None:
        call("ip", "-n", self.namespace, *parameters)

    def run(self, *command: str) -> str:
        return call(*self.command(*command))

    def command(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def route(self, via: str) -> None:
        self.ip("route", "add", "default", "via", via)

    def forward(self) -> None:
        """Makes it a router."""
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def within(self, make: Callable[[], T]) -> T:
        """What `make` returns when it runs inside the namespace; sockets stay where they were made."""
        made: list[T] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                enter(self.namespace)
                made.append(make())
            except Exception as error:
                failed.append(error)

        # Another thread, because a thread that has entered a namespace stays in it.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]


class Lab:
    """Hosts and the links between them. Used as a context, it leaves nothing behind."""

    def __init__(self, programs: dict[str, str]):
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-"))
        self.hosts: dict[str, Host] = {}
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for host in self.hosts.values():
            call("ip", "netns", "delete", host.namespace)
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name: str) -> str:
        """Where a program lies that was built for the tests."""
        return self.programs[name]

    def host(self, name: str) -> Host:
        namespace = f"{PREFIX}-{os.getpid()}-{name}"
        call("ip", "netns", "add", namespace)
        try:
            host = Host(namespace)
        except BaseException:
            call("ip", "netns", "delete", namespace)
            raise
        self.hosts[name] = host
        return host

    def link(self, ends: tuple[Host, Host], names: tuple[str, str], addresses: tuple[str, str]) -> None:
        """A cable with an interface and an address (`a.b.c.d/n`) at each end."""
        (left, right), (left_name, right_name) = ends, names
        call(
            *("ip", "link", "add", left_name, "netns", left.namespace),
            *("type", "veth", "peer", "name", right_name, "netns", right.namespace),
        )
        for host, name, address in zip(ends, names, addresses):
            host.ip("address", "add", address, "dev", name)
            host.ip("link", "set", name, "up")

    def spawn(self, host: Host | None, *command: str, **options) -> subprocess.Popen:
        """Starts a program in a namespace; it does not outlive the laboratory."""
        line = list(command) if host is None else host.command(*command)
        process = subprocess.Popen(line, text=True, **options)
        self.processes.append(process)
        return process


class Mapping(Enum):
    """Which outer port a router shows an inner one as (RFC 4787, section 4.1), in iptables' words."""

    # Linux keeps the port where it can, so everybody sees the same.
    ENDPOINT_INDEPENDENT = ()
    # A port at random for each connection: nobody can know the next one.
    ENDPOINT_DEPENDENT = ("--random-fully",)


def masquerade(host: Host, outside: str, mapping: Mapping) -> None:
    """A home router: maps what leaves to its own address, and drops what nobody inside asked for
    (address- and port-dependent filtering, RFC 4787, section 5)."""
    host.forward()
    host.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", outside, "-j", "MASQUERADE", *mapping.value)
    # An unexpected packet that were answered would occupy the very mapping that a hole punch needs.
    unexpected = ("-i", outside, "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
    host.run("iptables", "-A", "INPUT", *unexpected)
    host.run("iptables", "-A", "FORWARD", *unexpected)


def sweep() -> None:
    """Deletes the namespaces of runs that were killed."""
    for path in NAMESPACES.glob(f"{PREFIX}-*"):
        owner = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", path.name)
        if owner and not Path("/proc", owner[1]).exists():
            call("ip", "netns", "delete", path.name)


def check_allowed() -> None:
    """Tries everything that the scenarios need, so that they can be left out with a reason.

    Raises NotAllowed with the reason.
    """
    if os.geteuid() != 0:
        raise NotAllowed("network namespaces need root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise NotAllowed("there is no /dev/net/tun")
    try:
        sweep()
        with Lab({}) as lab:
            left, right = lab.host("left"), lab.host("right")
            lab.link((left, right), ("a0", "b0"), ("10.0.0.1/24", "10.0.0.2/24"))
            masquerade(left, "a0", Mapping.ENDPOINT_DEPENDENT)
    except (RuntimeError, OSError) as error:
        raise NotAllowed(str(error)) from error
