"""One face for the clients, so that each test runs with all of them."""

import asyncio
import dataclasses
import ssl
import time

from endpoint import PATIENCE_S

#: Short, so that a crashed member is noticed soon; long enough for a busy machine.
SESSION_TIMEOUT_MS = 3000
HEARTBEAT_MS = 500
USER = "phytomer"


@dataclasses.dataclass(frozen=True)
class Event:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()
    time_ms: int = 0

    def own_headers(self):
        """The headers that the producer gave, without those that the node adds."""
        return tuple(header for header in self.headers if not header[0].startswith("phytomer."))


class Confluent:
    """librdkafka under Python."""

    name = "confluent-kafka"

    def __init__(self, endpoint, token=None, plain=False):
        self._config = {"bootstrap.servers": endpoint.address, "log_level": 2}
        self._errors = []
        self._config["error_cb"] = self._errors.append
        if endpoint.token and not plain:
            self._config |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "ssl.ca.location": endpoint.ca,
                "sasl.username": USER,
                "sasl.password": token or endpoint.token,
            }

    def partitions(self, topic, patience_s=PATIENCE_S):
        """Numbers of the partitions; none where the topic is unknown."""
        from confluent_kafka import Consumer, KafkaException

        consumer = Consumer(self._config | {"group.id": "nobody"})
        try:
            metadata = consumer.list_topics(topic, timeout=patience_s).topics[topic]
        except KafkaException as error:
            consumer.poll(0)  # lets the client say what it met
            raise ConnectionError(str([error, *self._errors])) from error
        finally:
            consumer.close()
        if metadata.error is not None:
            assert metadata.error.name() == "UNKNOWN_TOPIC_OR_PART", metadata.error
            return []
        return sorted(metadata.partitions)

    def read_all(self, topic):
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

        consumer = Consumer(self._config | {"group.id": "reader", "enable.partition.eof": True})
        ends = set(self.partitions(topic))
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in ends])
        events = []
        while ends:
            for message in consumer.consume(1000, timeout=0.1):
                if message.error() is None:
                    events.append(self._event(message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ends.discard(message.partition())
                else:
                    raise AssertionError(message.error())
        consumer.close()
        return events

    @staticmethod
    def _event(message):
        headers = tuple(message.headers() or ())
        place = (message.partition(), message.offset())
        return Event(*place, message.key(), message.value(), headers, message.timestamp()[1])

    def offset_at(self, topic, partition, time_ms):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(self._config | {"group.id": "seeker"})
        wanted = [TopicPartition(topic, partition, time_ms)]
        (found,) = consumer.offsets_for_times(wanted, timeout=PATIENCE_S)
        consumer.close()
        return found.offset if found.offset >= 0 else None

    def produce(self, topic, records, idempotent=False, partition=None, compression="none"):
        """Sends `(key, value, headers)`; gives the offsets, or raises what the broker said."""
        from confluent_kafka import KafkaException, Producer

        config = {"enable.idempotence": idempotent, "compression.type": compression}
        producer = Producer(self._config | config)
        offsets, errors = [None] * len(records), []

        def delivered(index):
            def note(error, message):
                if error is not None:
                    errors.append(error)
                else:
                    offsets[index] = message.offset()

            return note

        where = {} if partition is None else {"partition": partition}
        for index, (key, value, headers) in enumerate(records):
            producer.produce(
                topic, value, key, headers=list(headers), on_delivery=delivered(index), **where
            )
        assert producer.flush(PATIENCE_S) == 0
        if errors:
            raise PermissionError(errors[0].name()) from KafkaException(errors[0])
        return offsets

    def join(self, group, topic, on_assigned):
        from confluent_kafka import Consumer

        self._consumer = Consumer(
            self._config
            | {
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "heartbeat.interval.ms": HEARTBEAT_MS,
            }
        )
        self._consumer.subscribe(
            [topic],
            on_assign=lambda _, parts: on_assigned([part.partition for part in parts]),
            on_revoke=lambda *_: on_assigned([]),
        )

    def poll(self):
        messages = self._consumer.consume(500, timeout=0.2)
        return [self._event(message) for message in messages if message.error() is None]

    def commit(self):
        self._consumer.commit(asynchronous=False)

    def leave(self):
        self._consumer.close()


class KafkaPython:
    """The pure Python client."""

    name = "kafka-python"

    def __init__(self, endpoint, token=None, plain=False):
        self._config = {"bootstrap_servers": endpoint.address}
        if endpoint.token and not plain:
            self._config |= {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "ssl_context": ssl.create_default_context(cafile=endpoint.ca),
                "sasl_plain_username": USER,
                "sasl_plain_password": token or endpoint.token,
            }

    def partitions(self, topic, patience_s=PATIENCE_S):
        from kafka import KafkaConsumer
        from kafka.errors import KafkaError

        try:
            timeout = {"bootstrap_timeout_ms": patience_s * 1000}
            consumer = KafkaConsumer(**self._config, **timeout, allow_auto_create_topics=False)
        except KafkaError as error:
            raise ConnectionError(str(error)) from error
        found = consumer.partitions_for_topic(topic)
        consumer.close()
        return sorted(found or [])

    def read_all(self, topic):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(**self._config, auto_offset_reset="earliest")
        places = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        events = []
        while any(consumer.position(place) < ends[place] for place in places):
            events += self._events(consumer.poll(timeout_ms=1000))
        consumer.close()
        return events

    @staticmethod
    def _events(polled):
        return [
            Event(m.partition, m.offset, m.key, m.value, tuple(m.headers), m.timestamp)
            for messages in polled.values()
            for m in messages
        ]

    def offset_at(self, topic, partition, time_ms):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(**self._config)
        place = TopicPartition(topic, partition)
        found = consumer.offsets_for_times({place: time_ms})[place]
        consumer.close()
        return found.offset if found else None

    def produce(self, topic, records, idempotent=False, partition=None, compression="none"):
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        producer = KafkaProducer(
            **self._config,
            acks="all",
            enable_idempotence=idempotent,
            compression_type=None if compression == "none" else compression,
        )
        try:
            sent = [
                producer.send(topic, value, key, headers=list(headers), partition=partition)
                for key, value, headers in records
            ]
            return [future.get(PATIENCE_S).offset for future in sent]
        except KafkaError as error:
            raise PermissionError(type(error).__name__) from error
        finally:
            producer.close(timeout=5)

    def join(self, group, topic, on_assigned):
        from kafka import ConsumerRebalanceListener, KafkaConsumer

        class Listener(ConsumerRebalanceListener):
            def on_partitions_assigned(self, assigned):
                on_assigned([place.partition for place in assigned])

            def on_partitions_revoked(self, revoked):
                on_assigned([])

        self._consumer = KafkaConsumer(
            **self._config,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        self._consumer.subscribe([topic], listener=Listener())

    def poll(self):
        return self._events(self._consumer.poll(timeout_ms=200))

    def commit(self):
        self._consumer.commit()

    def leave(self):
        self._consumer.close()


class Aiokafka:
    """The client for asyncio."""

    name = "aiokafka"

    def __init__(self, endpoint, token=None, plain=False):
        self._loop = asyncio.new_event_loop()
        self._config = {"bootstrap_servers": endpoint.address}
        if endpoint.token and not plain:
            self._config |= {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "ssl_context": ssl.create_default_context(cafile=endpoint.ca),
                "sasl_plain_username": USER,
                "sasl_plain_password": token or endpoint.token,
            }

    def _run(self, coroutine):
        return self._loop.run_until_complete(coroutine)

    def _with_consumer(self, use):
        from aiokafka import AIOKafkaConsumer

        async def run():
            consumer = AIOKafkaConsumer(**self._config, auto_offset_reset="earliest")
            await consumer.start()
            try:
                return await use(consumer)
            finally:
                await consumer.stop()

        return self._run(run())

    def partitions(self, topic, patience_s=PATIENCE_S):
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        async def run():
            admin = AIOKafkaAdminClient(**self._config)
            try:
                await asyncio.wait_for(admin.start(), patience_s)
                if topic not in await admin.list_topics():
                    return []
                (found,) = await admin.describe_topics([topic])
                return sorted(part["partition"] for part in found["partitions"])
            except (KafkaError, TimeoutError, asyncio.TimeoutError) as error:
                raise ConnectionError(str(error)) from error
            finally:
                await admin.close()

        return self._run(run())

    def read_all(self, topic):
        from aiokafka import TopicPartition

        numbers = self.partitions(topic)

        async def use(consumer):
            places = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            events = []
            while [p for p in places if await consumer.position(p) < ends[p]]:
                events += KafkaPython._events(await consumer.getmany(timeout_ms=1000))
            return events

        return self._with_consumer(use)

    def offset_at(self, topic, partition, time_ms):
        from aiokafka import TopicPartition

        place = TopicPartition(topic, partition)

        async def use(consumer):
            return (await consumer.offsets_for_times({place: time_ms}))[place]

        found = self._with_consumer(use)
        return found.offset if found else None

    def produce(self, topic, records, idempotent=False, partition=None, compression="none"):
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaError

        async def run():
            producer = AIOKafkaProducer(
                **self._config,
                acks="all",
                enable_idempotence=idempotent,
                compression_type=None if compression == "none" else compression,
            )
            await producer.start()
            try:
                sent = [
                    await producer.send(
                        topic, value, key, headers=list(headers), partition=partition
                    )
                    for key, value, headers in records
                ]
                return [(await future).offset for future in sent]
            except KafkaError as error:
                raise PermissionError(type(error).__name__) from error
            finally:
                await producer.stop()

        return self._run(run())

    def join(self, group, topic, on_assigned):
        from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

        class Listener(ConsumerRebalanceListener):
            def on_partitions_assigned(self, assigned):
                on_assigned([place.partition for place in assigned])

            def on_partitions_revoked(self, revoked):
                on_assigned([])

        async def start():
            self._consumer = AIOKafkaConsumer(
                **self._config,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
            )
            self._consumer.subscribe([topic], listener=Listener())
            await self._consumer.start()

        self._run(start())

    def poll(self):
        return KafkaPython._events(self._run(self._consumer.getmany(timeout_ms=200)))

    def commit(self):
        self._run(self._consumer.commit())

    def leave(self):
        self._run(self._consumer.stop())


ALL = (Confluent, KafkaPython, Aiokafka)
BY_NAME = {client.name: client for client in ALL}


def for_each_client(case):
    """Makes of every method `each_…(self, client)` of a test case one test with each client."""
    for method in [name for name in vars(case) if name.startswith("each_")]:
        for client in ALL:

            def test(self, method=method, client=client):
                getattr(self, method)(client)

            name = client.name.replace("-", "_")
            setattr(case, f"test_{method.removeprefix('each_')}_{name}", test)
    return case


def now_ms():
    return time.time_ns() // 1_000_000
