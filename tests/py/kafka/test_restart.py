"""Committed offsets and groups after the endpoint was killed."""

import unittest

import clients
from endpoint import Endpoint, wait_until
from member import Member

EVENTS = 300


@clients.for_each_client
class Restart(unittest.TestCase):
    def each_goes_on_where_it_was(self, client):
        with Endpoint("--events", EVENTS) as endpoint:
            first = Member(client, endpoint, "g", endpoint.topic)
            wait_until(lambda: len(first.committed) == EVENTS, f"reading {first.complaints}")
            first.kill()
            endpoint.kill()
            endpoint.start()
            offsets = client(endpoint).produce(f"{endpoint.topic}.local", [(None, b"new", ())])
            self.assertEqual(offsets, [EVENTS])
            second = Member(client, endpoint, "g", endpoint.topic)
            try:
                wait_until(lambda: second.read, f"the new event {second.complaints}")
                self.assertEqual(second.read, [(0, EVENTS)])
            finally:
                second.kill()

    def each_survives_a_restart(self, client):
        """A member that is there all the time joins again and reads nothing twice."""
        with Endpoint("--events", EVENTS) as endpoint:
            member = Member(client, endpoint, "g", endpoint.topic)
            try:
                wait_until(lambda: len(member.committed) == EVENTS, "reading")
                endpoint.kill()
                endpoint.start()
                producer = clients.Confluent(endpoint)
                producer.produce(f"{endpoint.topic}.local", [(None, b"new", ())])
                wait_until(lambda: (0, EVENTS) in member.read, f"{client.name} {member.complaints}")
                self.assertEqual(len(member.read), EVENTS + 1)
            finally:
                member.kill()


if __name__ == "__main__":
    unittest.main()
