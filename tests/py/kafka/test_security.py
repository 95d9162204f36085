"""TLS and the token."""

import os
import socket
import ssl
import stat
import subprocess
import unittest

import clients
import endpoint as program
from endpoint import Endpoint

#: Metadata in version 1, of all topics.
METADATA = b"\x00\x03\x00\x01\x00\x00\x00\x07\xff\xff\xff\xff\xff\xff"
#: SaslHandshake in version 1, for PLAIN.
HANDSHAKE = b"\x00\x11\x00\x01\x00\x00\x00\x08\xff\xff\x00\x05PLAIN"


@clients.for_each_client
class Security(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = Endpoint("--events", 20, "--tls")

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def test_the_token_is_kept_from_others(self):
        for name in ("kafka.token", "kafka.key"):
            mode = os.stat(self.endpoint.data / name).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o600, name)

    def each_reads_and_writes_with_the_token(self, client):
        client = client(self.endpoint)
        client.produce("own.local", [(b"k", b"v", ())])
        self.assertEqual(len(client.read_all(self.endpoint.topic)), 20)

    def each_is_refused_with_another_token(self, client):
        with self.assertRaises(ConnectionError):
            client(self.endpoint, token="0" * 64).partitions("plants", patience_s=3)

    def test_another_token_is_named_as_the_reason(self):
        client = clients.Confluent(self.endpoint, token="0" * 64)
        with self.assertRaisesRegex(ConnectionError, "_AUTHENTICATION"):
            client.partitions("plants", patience_s=3)

    def each_is_refused_without_encryption(self, client):
        with self.assertRaises(ConnectionError):
            client(self.endpoint, plain=True).partitions("plants", patience_s=3)

    def ask(self, *requests):
        """The answers to requests over TLS; empty where the connection was ended instead."""
        host, port = self.endpoint.address.split(":")
        context = ssl.create_default_context(cafile=self.endpoint.ca)
        answers = []
        with socket.create_connection((host, int(port)), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=host) as stream:
                for request in requests:
                    try:
                        stream.sendall(len(request).to_bytes(4, "big") + request)
                        answers.append(stream.recv(1000))
                    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                        answers.append(b"")
        return answers

    def test_nothing_is_answered_before_the_token(self):
        self.assertEqual(self.ask(METADATA), [b""])
        greeted, refused = self.ask(HANDSHAKE, METADATA)
        self.assertIn(b"PLAIN", greeted)
        self.assertEqual(refused, b"")

    def test_the_connection_ends_with_a_wrong_token(self):
        def prove(token):
            message = b"\0phytomer\0" + token.encode()
            return b"\x00\x24\x00\x00\x00\x00\x00\x09\xff\xff" + (
                len(message).to_bytes(4, "big") + message
            )

        _, answer, after = self.ask(HANDSHAKE, prove("0" * 64), METADATA)
        SASL_AUTHENTICATION_FAILED = 58
        self.assertEqual(int.from_bytes(answer[8:10], "big"), SASL_AUTHENTICATION_FAILED)
        self.assertEqual(after, b"")
        _, answer, after = self.ask(HANDSHAKE, prove(self.endpoint.token), METADATA)
        self.assertEqual(int.from_bytes(answer[8:10], "big"), 0)
        self.assertIn(b"plants", after)

    def test_an_address_that_others_reach_needs_tls(self):
        command = [program.BINARY, "--listen", "0.0.0.0:0"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"Unprotected", done.stderr)


if __name__ == "__main__":
    unittest.main()
