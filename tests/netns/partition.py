"""Four nodes around a router that for half a minute passes nothing between one pair and the other."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from lab import Host, Lab
from node import Node
from report import Row

CUT_S = 30
EVENT_EVERY_S = 0.25
EVENTS_BEFORE = 10
STREAM = "readings"
NAMES = ("north", "east", "south", "west")
# Whom the cut leaves together, by their places in NAMES.
SIDES = ((0, 1), (2, 3))


def interface(place: int) -> str:
    return f"to{place}"


def cut(router: Host) -> None:
    """Drops all packets between the sides, without a word to anybody."""
    for here, there in (SIDES, SIDES[::-1]):
        for source in here:
            for target in there:
                between = ("-i", interface(source), "-o", interface(target))
                router.run("iptables", "-A", "FORWARD", *between, "-j", "DROP")


def heal(router: Host) -> None:
    router.run("iptables", "-F", "FORWARD")


def write(node: Node, mark: str, count: int, every_s: float) -> list[str]:
    """Appends events to the node's own log; what it acknowledged."""
    said = []
    for number in range(count):
        text = f"{node.name} {mark} {number}"
        node.append(STREAM, text)
        said.append(text)
        time.sleep(every_s)
    return said


def write_all(nodes: list[Node], mark: str, count: int, every_s: float = 0) -> list[list[str]]:
    with ThreadPoolExecutor(len(nodes)) as writers:
        return list(writers.map(lambda node: write(node, mark, count, every_s), nodes))


def until_alike(nodes: list[Node]) -> float:
    """Waits until all nodes hold the same logs to the same offsets; how long that took."""
    started_s = time.monotonic()
    nodes[0].until("equal logs", lambda: all(node.logs() == nodes[0].logs() for node in nodes[1:]))
    return time.monotonic() - started_s


def held(node: Node, producer: str) -> int:
    return sum(next_ for (stream, by, _), next_ in node.logs().items() if (stream, by) == (STREAM, producer))


def run(programs: dict[str, str]) -> Iterator[Row]:
    name = f"partition of {CUT_S} s"
    with Lab(programs) as lab:
        router = lab.host("router")
        router.forward()
        nodes: list[Node] = []
        for place, host_name in enumerate(NAMES):
            host = lab.host(host_name)
            lab.link((router, host), (interface(place), "eth"), (f"11.{place}.0.1/24", f"11.{place}.0.2/24"))
            host.route(f"11.{place}.0.1")
            nodes.append(Node.start(lab, host_name, f"11.{place}.0.2", join=nodes[0] if nodes else None))
        started_s = time.monotonic()
        for node in nodes:
            node.until("all others", lambda: len(node.peers()) == len(nodes) - 1)
        yield Row(name, "four nodes know each other through one address after", f"{time.monotonic() - started_s:.1f} s")
        operators = [node.operator for node in nodes]
        said = write_all(nodes, "before", EVENTS_BEFORE)
        until_alike(nodes)

        cut(router)
        during = write_all(nodes, "during", int(CUT_S / EVENT_EVERY_S), EVENT_EVERY_S)
        said = [before + after for before, after in zip(said, during, strict=True)]
        yield from divided(name, nodes, operators)
        heal(router)
        healed_s = until_alike(nodes)
        yield Row(name, "all logs alike on all nodes after", f"{healed_s:.1f} s")
        for node in nodes:
            for operator, texts in zip(operators, said, strict=True):
                assert node.events(STREAM, operator) == texts, f"{node.name} lacks events of {operator}"
        total = sum(map(len, said))
        logs = len(nodes[0].logs())
        yield Row(name, f"events in {logs} logs, in order, on each node", f"{total} of {total}")


def divided(name: str, nodes: list[Node], operators: list[str]) -> Iterator[Row]:
    """The cut was one, and work went on on both of its sides."""
    for side, others in (SIDES, SIDES[::-1]):
        left, right = (nodes[place] for place in side)
        for node, partner in ((left, right), (right, left)):
            author = operators[nodes.index(partner)]
            everything = held(partner, author)
            node.until(f"the events of {partner.name}", lambda: held(node, author) >= everything)
            for place in others:
                assert held(node, operators[place]) <= EVENTS_BEFORE, "events came through the cut"
    apart = [len(node.peers()) for node in nodes]
    yield Row(name, "peers of each node at the end of the cut", ", ".join(map(str, apart)))
