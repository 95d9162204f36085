"""Two nodes, each behind a home router of its own, meet through a relay and then directly.

    lan1 ── nat1 ──┐            ┌── nat2 ── lan2
                   ├─ internet ─┤
           relay ──┘            └── witness

The witness is a second public peer: a node learns that it is public when somebody whom it dialled
dials it back.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from collections.abc import Iterator

from lab import Host, Lab, masquerade
from peer import Peer
from report import Row

PORT = 4001
TRANSPORTS = {"quic": f"udp/{PORT}/quic-v1", "tcp": f"tcp/{PORT}"}
MESSAGES = 20


@dataclass
class World:
    """The peers of the drawing."""

    routers: list[Host]
    relay: Peer
    left: Peer
    right: Peer


def site(lab: Lab, internet: Host, name: str, number: int) -> Host:
    """A host with a public address of its own, 11.N.0.2."""
    host = lab.host(name)
    addresses = (f"11.{number}.0.1/24", f"11.{number}.0.2/24")
    lab.link((internet, host), (f"to{number}", "wan"), addresses)
    host.route(f"11.{number}.0.1")
    return host


def home(lab: Lab, internet: Host, number: int) -> Host:
    """A host behind a router that translates its address."""
    router = site(lab, internet, f"nat{number}", number)
    host = lab.host(f"lan{number}")
    addresses = (f"192.168.{number}.1/24", f"192.168.{number}.2/24")
    lab.link((router, host), ("lan", "eth"), addresses)
    host.route(f"192.168.{number}.1")
    masquerade(router, "wan")
    return host


@contextmanager
def world(programs: dict[str, str], transport: str) -> Iterator[World]:
    where = TRANSPORTS[transport]
    with Lab(programs) as lab:
        internet = lab.host("internet")
        internet.forward()
        hosts = [home(lab, internet, 1), home(lab, internet, 2)]
        public = [site(lab, internet, "witness", 8), site(lab, internet, "relay", 9)]
        witness = Peer.start(lab, public[0], "witness", "--listen", f"/ip4/11.8.0.2/{where}")
        bootstrap = ("--bootstrap", f"/ip4/11.8.0.2/{where}/p2p/{witness.id}")
        listen = ("--listen", f"/ip4/11.9.0.2/{where}")
        relay = Peer.start(lab, public[1], "relay", *listen, *bootstrap, "--relay-server")
        relay.until_status("to be found public", lambda status: status["status"]["reachability"] == "public")
        relay_address = f"/ip4/11.9.0.2/{where}/p2p/{relay.id}"
        homes = []
        for host, name in zip(hosts, ("left", "right")):
            options = ("--listen", f"/ip4/0.0.0.0/{where}", "--bootstrap", relay_address, "--relay", relay_address)
            homes.append(Peer.start(lab, host, name, *options))
        yield World([lab.hosts["nat1"], lab.hosts["nat2"]], relay, *homes)


def exchange(left: Peer, right: Peer, mark: str) -> None:
    """Gossip both ways."""
    for speaker, hearer in ((left, right), (right, left)):
        said = {f"{mark} {speaker.name} {number}" for number in range(MESSAGES)}
        for text in said:
            speaker.tell(f"publish {text}")
        hearer.until_heard(said)


def run(programs: dict[str, str], transport: str) -> Iterator[Row]:
    name = f"nat, {transport}"
    with world(programs, transport) as w:
        homes = (w.left, w.right)
        yield Row(name, "the relay finds that it is", "public")
        for peer in homes:
            peer.until_status("a place at the relay", lambda status: w.relay.id in status["status"]["relays"])
        first = w.right.until_connected(w.left, {"relayed", transport})
        direct = [peer.until_connected(other, {transport}) for peer, other in (homes, homes[::-1])]
        took_s = max(event["at_s"] for event in direct) - w.right.started["at_s"]
        yield Row(name, "they meet, and then have", f"{first['route']}, {direct[0]['route']}")
        yield Row(name, "direct connection after", f"{took_s:.1f} s, keys {direct[0]['keyExchange']}")
        for peer in homes:
            peer.until_status("to be found private", lambda status: status["status"]["reachability"] == "private")
        yield Row(name, "the nodes behind routers find that they are", "private")
        dropped = [unasked_packets(router) for router in w.routers]
        assert all(dropped), f"a router that drops nothing proves nothing: {dropped}"
        yield Row(name, "packets nobody asked for, dropped by the routers", " and ".join(map(str, dropped)))
        exchange(w.left, w.right, "with the relay")
        w.relay.stop()
        exchange(w.left, w.right, "without the relay")
        yield Row(name, "gossip once the relay is gone", f"{2 * MESSAGES} of {2 * MESSAGES}")


def unasked_packets(router: Host) -> int:
    """How many packets the router's rules have dropped."""
    counted = router.run("iptables", "-L", "-v", "-n", "-x")
    return sum(int(line.split()[0]) for line in counted.splitlines() if " DROP " in line and "NEW" in line)
