"""viaduct-impair as the other tests use it: a box between two hosts, obeying orders."""
import subprocess
import tempfile
import unittest
from pathlib import Path

from impair import Impairment
from support import BUILD
from topology import Pair

BINARY = BUILD / "tools/impair/viaduct-impair"


class Box(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="viaduct-test-")
        self.addCleanup(folder.cleanup)
        self.pair = Pair(dpdk=False, with_box=True)
        self.addCleanup(self.pair.stop)
        self.box = Impairment(BINARY, self.pair.box, Path(folder.name))
        self.addCleanup(self.box.stop)

    def exchange(self, count=20):
        """Datagrams of the client's to a host that echoes them; how many came back."""
        echo = self.pair.server.start("python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{Pair.SERVER}", 4433))
while True:
    data, peer = s.recvfrom(2000)
    s.sendto(str(peer[1]).encode(), peer)
""")
        done = self.pair.client.run("python3", "-c", f"""
import socket, time
time.sleep(0.5)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{Pair.CLIENT}", 5000))
s.settimeout(0.2)
came, ports = 0, set()
for i in range({count}):
    s.sendto(b"x" * 1000, ("{Pair.SERVER}", 4433))
    try:
        ports.add(s.recv(100).decode())
        came += 1
    except TimeoutError:
        pass
print(came, *sorted(ports))
""")
        echo.kill()
        came, *ports = done.stdout.split()
        return int(came), ports

    def test_is_a_cable_that_loses_and_rebinds_when_told_to(self):
        self.pair.client.run("ping", "-c", "2", "-i", "0.1", "-W", "2", Pair.SERVER)
        self.assertEqual(self.exchange(), (20, ["5000"]))
        self.box.order("both loss=100%")
        self.assertEqual(self.exchange(3), (0, []))
        self.pair.client.run("ping", "-c", "2", "-i", "0.1", "-W", "2", Pair.SERVER)
        self.box.order("both")
        self.box.order("rebind")
        came, ports = self.exchange()
        self.assertEqual(came, 20)
        self.assertEqual(len(ports), 1)
        self.assertNotEqual(ports, ["5000"])
        counters = self.box.counters()
        self.assertEqual(counters["forward"]["translated"], 20)
        self.assertGreater(counters["forward"]["passed_by"], 0)

    def test_wrong_orders_are_answered_with_what_was_expected(self):
        for order, part in (("both loss=many", "a share"), ("both hops=3", "no word"), ("dance", "no order")):
            with self.assertRaisesRegex(RuntimeError, part):
                self.box.order(order)
        self.box.order("forward loss=1%")


class CommandLine(unittest.TestCase):
    def run_box(self, *words):
        return subprocess.run([BINARY, *words], text=True, capture_output=True, timeout=30)

    def test_help_explains_links_and_orders(self):
        done = self.run_box("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("--left", "--both", "loss", "corruption", "blackhole", "rebind", "counters"):
            self.assertIn(word, done.stdout)

    def test_says_what_cannot_be(self):
        done = self.run_box("--left", "af_packet:none0", "--right", "af_packet:none1", "--prefix", "viaduct-test-impair")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none0", done.stderr)
        self.assertNotEqual(self.run_box("--left", "af_packet:none0").returncode, 0)
