"""Records what real clients send, one request of each kind and version: the seeds of the
property tests in p2p/kafka/src/connection/tests.

    run's python record.py > p2p/kafka/src/connection/tests/requests.txt
"""

import socket
import sys
import threading

import clients
from endpoint import Endpoint

#: Longer requests say nothing more.
REQUEST_BYTES_MAX = 600


def pump(source, sink, see):
    """Forwards bytes; shows each frame that is whole."""
    buffer = b""
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= 4 + (size := int.from_bytes(buffer[:4], "big")):
                see(buffer[4 : 4 + size])
                buffer = buffer[4 + size :]
    except OSError:
        pass
    finally:
        sink.close()


def main():
    seen = {}
    proxy = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % proxy.getsockname()[1]
    endpoint = Endpoint("--partitions", 2, "--events", 3, "--bytes", 10, "--advertised", address)
    host, port = endpoint.address.split(":")
    endpoint.address = address
    current = ["?"]

    def see(frame):
        kind = (int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:4], "big"))
        if len(frame) <= REQUEST_BYTES_MAX:
            seen.setdefault(kind, (current[0], frame))

    def serve():
        while True:
            client, _ = proxy.accept()
            server = socket.create_connection((host, int(port)))
            threading.Thread(target=pump, args=(client, server, see), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, lambda _: None), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    for each in clients.ALL:
        current[0] = each.name
        client = each(endpoint)
        client.read_all(endpoint.topic)
        client.offset_at(endpoint.topic, 0, 1)
        client.produce(f"{each.name}.local", [(b"k", b"v", (("h", b"1"),))], idempotent=True)
        client.join(f"group-{each.name}", endpoint.topic, lambda _: None)
        while not client.poll():
            pass
        client.commit()
        client.leave()
    current[0] = "confluent-kafka"
    administer(endpoint)
    for (key, version), (name, frame) in sorted(seen.items()):
        print(name, key, version, frame.hex())
    endpoint.close()


def administer(endpoint):
    from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

    admin = AdminClient({"bootstrap.servers": endpoint.address})
    asked = [admin.list_consumer_groups(), admin.describe_cluster()]
    asked += admin.describe_consumer_groups(["group-aiokafka"]).values()
    asked += admin.describe_configs([ConfigResource("topic", endpoint.topic)]).values()
    asked += admin.create_topics([NewTopic("new", 1)]).values()
    for future in asked:
        if error := future.exception(timeout=60):
            print(error, file=sys.stderr)
        else:
            print(future.result(), file=sys.stderr)


if __name__ == "__main__":
    main()
