"""kcat, the command line over librdkafka."""

import json
import shutil
import subprocess
import unittest

import clients
from endpoint import PATIENCE_S, Endpoint

PARTITIONS = 3
EVENTS = 1000


@unittest.skipUnless(shutil.which("kcat"), "kcat is not installed (Debian package kcat)")
class Kcat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = Endpoint("--partitions", PARTITIONS, "--events", EVENTS)

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def kcat(self, *arguments, endpoint=None, stdin=None):
        endpoint = endpoint or self.endpoint
        command = ["kcat", "-b", endpoint.address, *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=PATIENCE_S, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_metadata(self):
        shown = json.loads(self.kcat("-L", "-J"))
        self.assertEqual(len(shown["brokers"]), 1)
        (topic,) = [t for t in shown["topics"] if t["topic"] == self.endpoint.topic]
        self.assertEqual(len(topic["partitions"]), PARTITIONS)

    def test_every_event_is_read(self):
        lines = self.kcat("-C", "-t", self.endpoint.topic, "-e", "-q", "-f", "%p %o %k %S\n")
        read = sorted(tuple(map(int, line.split())) for line in lines.splitlines())
        wanted = [(p, o, o, 1024) for p in range(PARTITIONS) for o in range(EVENTS)]
        self.assertEqual(read, wanted)

    def test_a_group_goes_on_where_it_was(self):
        arguments = ("-G", "kcat", "-X", "auto.offset.reset=earliest", "-e", "-q", "-f", "%p %o\n")
        first = self.kcat(*arguments, self.endpoint.topic).splitlines()
        self.assertEqual(len(set(first)), PARTITIONS * EVENTS)
        self.assertEqual(self.kcat(*arguments, self.endpoint.topic), "")

    def test_produce_and_consume(self):
        self.kcat("-P", "-t", "kcat.local", "-K:", "-H", "a=1", stdin=b"k:v\ntomb:\n")
        form = "%k %S %s %h\n"
        first, second = self.kcat("-C", "-t", "kcat", "-e", "-q", "-f", form).splitlines()
        self.assertTrue(first.startswith("k 1 v a=1,phytomer.producer="), first)
        self.assertTrue(second.startswith("tomb "), second)

    def test_offset_for_time(self):
        now = clients.now_ms() + 60_000
        found = self.kcat("-Q", "-t", f"{self.endpoint.topic}:0:0", "-t", f"{self.endpoint.topic}:1:{now}")
        self.assertIn(f"{self.endpoint.topic} [0] offset 0", found)

    def test_tls_and_token(self):
        with Endpoint("--events", 5, "--tls") as endpoint:
            settings = {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "phytomer",
                "sasl.password": endpoint.token,
                "ssl.ca.location": endpoint.ca,
            }
            flags = [part for key, value in settings.items() for part in ("-X", f"{key}={value}")]
            lines = self.kcat(*flags, "-C", "-t", endpoint.topic, "-e", "-q", "-f", "%o\n", endpoint=endpoint)
            self.assertEqual(lines.split(), ["0", "1", "2", "3", "4"])


if __name__ == "__main__":
    unittest.main()
