"""Producing: what is sent comes back, once, and only this node's own log takes it."""

import unittest

import clients
from endpoint import Endpoint

RECORDS = [
    (b"key", b"value", ()),
    (None, b"no key", ()),
    (b"tombstone", None, ()),
    (b"", b"", ()),
    (b"headers", b"v", (("a", b"1"), ("b", b"\xff\x00"), ("a", b"2"))),
    (b"large", b"x" * 900_000, ()),
]


@clients.for_each_client
class Produce(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = Endpoint("--partitions", 3, "--events", 10)

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def assert_round_trip(self, client, topic, **options):
        client = client(self.endpoint)
        offsets = client.produce(f"{topic}.local", RECORDS, **options)
        self.assertEqual(offsets, list(range(len(RECORDS))))
        events = client.read_all(topic)
        self.assertEqual(len(events), len(RECORDS))
        for event, (key, value, headers) in zip(events, RECORDS):
            self.assertEqual((event.key, event.value), (key, value))
            self.assertEqual(event.own_headers(), headers)
            self.assertLess(abs(event.time_ms - clients.now_ms()), 600_000)

    def each_gets_back_what_it_sent(self, client):
        self.assert_round_trip(client, f"plain-{client.name}")

    def each_may_be_idempotent(self, client):
        self.assert_round_trip(client, f"once-{client.name}", idempotent=True)

    def each_may_pack_with_gzip(self, client):
        self.assert_round_trip(client, f"gzip-{client.name}", compression="gzip")

    def test_other_compression_is_refused(self):
        refused = r"(?i)unsupported_?compression"
        with self.assertRaisesRegex(PermissionError, refused):
            records = [(None, b"z" * 1000, ())]
            producer = clients.Confluent(self.endpoint)
            producer.produce("packed.local", records, compression="lz4")

    def each_finds_the_own_log_by_any_key(self, client):
        records = [(str(number).encode(), b"value", ()) for number in range(50)]
        offsets = client(self.endpoint).produce(f"{self.endpoint.topic}.local", records)
        self.assertEqual(offsets, list(range(offsets[0], offsets[0] + 50)))

    def each_is_refused_at_the_log_of_another(self, client):
        client, topic = client(self.endpoint), self.endpoint.topic
        with self.assertRaisesRegex(PermissionError, r"(?i)policy_?violation"):
            client.produce(topic, [(None, b"forged", ())], partition=0)
        offsets = client.produce(topic, [(None, b"own", ())], partition=2)
        self.assertGreaterEqual(offsets[0], 10)
        events = clients.Confluent(self.endpoint).read_all(topic)
        self.assertEqual(len([event for event in events if event.partition == 0]), 10)

    def each_begins_a_stream_with_its_first_event(self, client):
        name = f"new-{client.name}"
        client = client(self.endpoint)
        self.assertEqual(client.partitions(name), [])
        self.assertEqual(client.produce(name, [(None, b"first", ())]), [0])
        self.assertEqual(client.partitions(name), [0])

    def test_an_event_over_the_limit_is_refused(self):
        from confluent_kafka import Producer

        errors = []
        config = {"bootstrap.servers": self.endpoint.address, "message.max.bytes": 2_000_000}
        producer = Producer(config)
        note = lambda error, _: errors.append(error.name() if error else None)
        producer.produce("sizes.local", b"x" * 1_100_000, on_delivery=note)
        producer.flush(30)
        self.assertEqual(errors, ["MSG_SIZE_TOO_LARGE"])

    def test_transactions_are_refused(self):
        from confluent_kafka import KafkaException, Producer

        config = {"bootstrap.servers": self.endpoint.address, "transactional.id": "t"}
        producer = Producer(config)
        with self.assertRaisesRegex(KafkaException, "(?i)transaction"):
            producer.init_transactions(10)


if __name__ == "__main__":
    unittest.main()
