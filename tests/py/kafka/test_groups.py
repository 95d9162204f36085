"""Consumer groups of several members that come, go and crash."""

import unittest

import clients
from endpoint import Endpoint, wait_until
from member import Member

PARTITIONS = 3
EVENTS = 200


@clients.for_each_client
class Groups(unittest.TestCase):
    def each_shares_out_partitions(self, client):
        with Endpoint("--partitions", PARTITIONS, "--events", EVENTS) as endpoint:
            members = []
            try:
                self.walk(client, endpoint, members)
            finally:
                for member in members:
                    member.kill()

    def walk(self, client, endpoint, members):
        everything = {(p, offset) for p in range(PARTITIONS) for offset in range(EVENTS)}
        gone = []

        def join():
            members.append(Member(client, endpoint, "foresters", endpoint.topic))

        def settled():
            parts = [member.assigned for member in members]
            shared = sorted(sum(parts, []))
            return shared == list(range(PARTITIONS)) and all(parts)

        def all_read():
            read = {place for member in members + gone for place in member.read}
            return read == everything

        def settle(what):
            complaints = [member.complaints for member in members]
            wait_until(settled, f"{client.name}: {what} {complaints}")
            wait_until(all_read, f"{client.name}: reading after {what} {complaints}")

        def produce():
            records = [(None, b"more", ())] * 50
            offsets = client(endpoint).produce(f"{endpoint.topic}.local", records)
            everything.update((PARTITIONS - 1, offset) for offset in offsets)

        join()
        settle("one member")
        join()
        settle("a second member")
        produce()
        settle("more events")
        join()
        settle("a third member")
        gone.append(members.pop(1))
        gone[-1].leave()
        settle("a member that left")
        killed = members.pop()
        gone.append(killed)
        killed.kill()
        produce()
        settle("a member that was killed")

        read = [place for member in members + gone for place in member.read]
        twice = {place for place in read if read.count(place) > 1}
        # What the killed member had read and not committed may be read again, nothing else.
        self.assertLessEqual(twice, set(killed.read) - killed.committed)


if __name__ == "__main__":
    unittest.main()
