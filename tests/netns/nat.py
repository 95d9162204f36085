"""Two nodes, each behind a home router of its own, meet through a relay and then directly.

    lan1 ── nat1 ──┐            ┌── nat2 ── lan2
                   ├─ internet ─┤
           relay ──┘            └── witness

The witness is a peer that anybody can reach, to show that a node behind a router finds something
else than one that is not.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from collections.abc import Iterator

from lab import Host, Lab, Mapping, masquerade
from peer import Peer, until_said
from report import Row

PORT = 4001
TRANSPORTS = {"quic": f"udp/{PORT}/quic-v1", "tcp": f"tcp/{PORT}"}
MESSAGES = 20


@dataclass
class World:
    """The peers of the drawing."""

    routers: list[Host]
    relay: Peer
    witness: Peer
    left: Peer
    right: Peer


def site(lab: Lab, internet: Host, name: str, number: int) -> Host:
    """A host with a public address of its own, 11.N.0.2."""
    host = lab.host(name)
    addresses = (f"11.{number}.0.1/24", f"11.{number}.0.2/24")
    lab.link((internet, host), (f"to{number}", "wan"), addresses)
    host.route(f"11.{number}.0.1")
    return host


def home(lab: Lab, internet: Host, number: int, mapping: Mapping) -> Host:
    """A host behind a router that translates its address."""
    router = site(lab, internet, f"nat{number}", number)
    host = lab.host(f"lan{number}")
    addresses = (f"192.168.{number}.1/24", f"192.168.{number}.2/24")
    lab.link((router, host), ("lan", "eth"), addresses)
    host.route(f"192.168.{number}.1")
    masquerade(router, "wan", mapping)
    return host


@contextmanager
def world(programs: dict[str, str], transport: str, mapping: Mapping) -> Iterator[World]:
    where = TRANSPORTS[transport]
    with Lab(programs) as lab:
        internet = lab.host("internet")
        internet.forward()
        hosts = [home(lab, internet, number, mapping) for number in (1, 2)]
        public = [site(lab, internet, "witness", 8), site(lab, internet, "relay", 9)]
        relay = Peer.start(lab, public[1], "relay", "--listen", f"/ip4/11.9.0.2/{where}", "--relay-server")
        bootstrap = ("--bootstrap", f"/ip4/11.9.0.2/{where}/p2p/{relay.id}")
        witness = Peer.start(lab, public[0], "witness", "--listen", f"/ip4/11.8.0.2/{where}", *bootstrap)
        homes = []
        for host, name in zip(hosts, ("left", "right")):
            listen = ("--listen", f"/ip4/0.0.0.0/{where}", "--log", "warn,phytomer_p2p::actor::events=debug")
            homes.append(Peer.start(lab, host, name, *listen, "--relay", bootstrap[1], *bootstrap))
        yield World([lab.hosts["nat1"], lab.hosts["nat2"]], relay, witness, *homes)


def exchange(left: Peer, right: Peer, mark: str) -> str:
    """Gossip both ways."""
    for speaker, hearer in ((left, right), (right, left)):
        said = {f"{mark} {speaker.name} {number}" for number in range(MESSAGES)}
        for text in said:
            speaker.tell(f"publish {text}")
        hearer.until_heard(said)
    return f"{2 * MESSAGES} of {2 * MESSAGES}"


def unasked_packets(router: Host) -> int:
    """How many packets the router's rules have dropped."""
    counted = router.run("iptables", "-L", "-v", "-n", "-x")
    return sum(int(line.split()[0]) for line in counted.splitlines() if " DROP " in line and "NEW" in line)


def reached(name: str, w: World) -> Iterator[Row]:
    """Each node finds how it can be reached, and the routers let nobody in."""
    for peer, expected in ((w.left, "private"), (w.right, "private"), (w.witness, "public")):
        peer.until_status(f"to be found {expected}", lambda status: status["status"]["reachability"] == expected)
    yield Row(name, "behind routers, and in the open, nodes find themselves", "private, private, public")
    dropped = [unasked_packets(router) for router in w.routers]
    assert all(dropped), f"a router that drops nothing proves nothing: {dropped}"
    yield Row(name, "packets nobody asked for, dropped by the routers", " and ".join(map(str, dropped)))


def punched(programs: dict[str, str], transport: str) -> Iterator[Row]:
    """Routers that show one port to everybody: the relay is needed to meet only."""
    name = f"nat, {transport}"
    with world(programs, transport, Mapping.ENDPOINT_INDEPENDENT) as w:
        homes = (w.left, w.right)
        for peer in homes:
            peer.until_status("a place at the relay", lambda status: w.relay.id in status["status"]["relays"])
        direct = [peer.until_connected(other, transport) for peer, other in (homes, homes[::-1])]
        # The direct connection may be there before anybody saw the relayed one, and each side may
        # have made it: their logs know that it was no accident.
        until_said(homes, f"hole punching peer=({w.left.id}|{w.right.id})")
        took_s = max(event["at_s"] for event in direct) - w.right.started["at_s"]
        seen = f"{transport}, keys {direct[0]['keyExchange']}, after {took_s:.1f} s"
        yield Row(name, "through the relay a hole is punched: connected by", seen)
        yield from reached(name, w)
        exchange(w.left, w.right, "with the relay")
        w.relay.stop()
        yield Row(name, "gossip once the relay is gone", exchange(w.left, w.right, "without the relay"))


def relayed(programs: dict[str, str], transport: str) -> Iterator[Row]:
    """Routers that show another port to everybody: no hole can be punched."""
    name = f"nat, {transport}, ports at random"
    with world(programs, transport, Mapping.ENDPOINT_DEPENDENT) as w:
        homes = (w.left, w.right)
        for peer, other in (homes, homes[::-1]):
            connected = peer.until_connected(other, "relayed")
        yield Row(name, "connected through the relay", f"keys {connected['keyExchange']}")
        yield from reached(name, w)
        yield Row(name, "gossip through the relay", exchange(*homes, "through the relay"))
        routes = {peer["route"] for peer in w.left.status()["peers"] if peer["peer"] == w.right.id}
        assert routes == {"relayed"}, routes
