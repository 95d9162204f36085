"""Reading: everything, from a time, and what is not there."""

import time
import unittest

import clients
from endpoint import Endpoint, wait_until

PARTITIONS = 3
EVENTS = 1500


@clients.for_each_client
class Read(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = Endpoint("--partitions", PARTITIONS, "--events", EVENTS, "--bytes", 1024)

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def each_event_is_read_in_order(self, client):
        events = client(self.endpoint).read_all(self.endpoint.topic)
        for partition in range(PARTITIONS):
            part = [event for event in events if event.partition == partition]
            self.assertEqual([event.offset for event in part], list(range(EVENTS)))
            for event in part:
                self.assertEqual(event.key, str(event.offset).encode())
                self.assertEqual(event.value, bytes([ord("b") + partition]) * 1024)

    def test_an_event_says_which_it_is(self):
        events = clients.Confluent(self.endpoint).read_all(self.endpoint.topic)
        own = [dict(event.headers) for event in events if event.partition == PARTITIONS - 1]
        self.assertEqual({h["phytomer.producer"] for h in own}, {self.endpoint.producer.encode()})
        self.assertEqual(len({header["phytomer.hash"] for header in own}), EVENTS)
        others = [dict(event.headers) for event in events if event.partition == 0]
        self.assertNotEqual(others[0]["phytomer.producer"], self.endpoint.producer.encode())

    def test_every_client_reads_the_same_bytes(self):
        topic = self.endpoint.topic
        first, *others = (client(self.endpoint).read_all(topic) for client in clients.ALL)
        for events in others:
            self.assertEqual(set(events), set(first))

    def each_finds_a_time(self, client):
        name = f"clock-{client.name}"
        client = client(self.endpoint)
        before = clients.now_ms()
        time.sleep(0.01)
        producer = clients.Confluent(self.endpoint)
        (offset,) = producer.produce(f"{name}.local", [(None, b"tick", ())])
        time.sleep(0.01)
        between = clients.now_ms()
        time.sleep(0.01)
        (later,) = producer.produce(f"{name}.local", [(None, b"tock", ())])
        self.assertEqual(client.offset_at(name, 0, before), offset)
        self.assertEqual(client.offset_at(name, 0, between), later)
        self.assertIsNone(client.offset_at(name, 0, clients.now_ms() + 60_000))

    def each_knows_which_topics_there_are(self, client):
        client = client(self.endpoint)
        self.assertEqual(client.partitions("no-such-stream"), [])
        self.assertEqual(client.partitions(self.endpoint.topic), list(range(PARTITIONS)))

    def test_the_own_log_is_a_topic_that_is_not_listed(self):
        client = clients.Confluent(self.endpoint)
        self.assertEqual(client.partitions(f"{self.endpoint.topic}.local"), [0])
        listed = clients.KafkaPython(self.endpoint)
        self.assertEqual(listed.partitions(f"{self.endpoint.topic}.local"), [])


class Retention(unittest.TestCase):
    def test_what_was_dropped_is_out_of_range(self):
        from confluent_kafka import Consumer, KafkaError, TopicPartition

        flags = ("--events", 4000, "--bytes", 1024, "--retention-bytes", 1_200_000)
        with Endpoint(*flags) as endpoint:
            config = {
                "bootstrap.servers": endpoint.address,
                "group.id": "late",
                "auto.offset.reset": "error",
            }
            consumer = Consumer(config)
            place = TopicPartition(endpoint.topic, 0, 0)
            first = wait_until(
                lambda: consumer.get_watermark_offsets(place, timeout=10)[0],
                "retention",
            )
            consumer.assign([place])
            message = wait_until(lambda: consumer.poll(1), "an error")
            self.assertEqual(message.error().code(), KafkaError._AUTO_OFFSET_RESET)
            self.assertIn("out of range", str(message.error()).lower())
            consumer.assign([TopicPartition(endpoint.topic, 0, first)])
            message = wait_until(lambda: consumer.poll(1), "the oldest event")
            self.assertIsNone(message.error())
            self.assertEqual(message.offset(), first)
            consumer.close()


if __name__ == "__main__":
    unittest.main()
