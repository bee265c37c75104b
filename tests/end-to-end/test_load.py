"""viaduct-load over DPDK's af_packet: against viaduct-origin."""
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from hosts import Cable, Host
from origin import Origin
from support import BINARY, BUILD

LOAD = BUILD / "apps/load/viaduct-load"
PAGE = b"<html>a page</html>"
BIG = bytes(range(256)) * 20_000
UNTIL_ALL_IS_DONE = ("--warm-up", "0", "--duration", "60")
SERVER, SERVER6 = "198.18.4.1", "2001:db8:4::1"


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="viaduct-test-load-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = cls.folder / "site"
        cls.root.mkdir()
        (cls.root / "page.html").write_bytes(PAGE)
        (cls.root / "big.bin").write_bytes(BIG)
        tag = cls.folder.name[-6:].replace("_", "x")
        cls.client, cls.server = Host(f"vl-c-{tag}"), Host(f"vl-s-{tag}")
        cls.addClassCleanup(lambda: (cls.server.stop(), cls.client.stop()))
        Cable(cls.client, "eth0", [], cls.server, "eth0", [])
        for host in (cls.client, cls.server):
            host.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        cls.origin = Origin(BINARY, cls.server, cls.folder, cls.root, ipv4=f"{SERVER}/24", ipv6=f"{SERVER6}/64", gateway4="",
                            gateway6="", content_extra='upload = "/upload"')
        cls.addClassCleanup(cls.origin.stop)
        cls.origin.wait_ready()

    def load(self, *words, address="198.18.4.2/24", timeout=90):
        return subprocess.run(self.client.command(LOAD, "--port", "af_packet:eth0", "--address", address, "--hugepages", "off",
                                                  "--idle-policy", "adaptive", *words), text=True, capture_output=True, timeout=timeout)

    def measure(self, *words, times=("--warm-up", "0.2", "--duration", "1")):
        """The results of a short run."""
        done = self.load("--insecure", "--json", "-", *times, *words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_fetch_saves_what_is_served(self):
        out = self.folder / "got"
        done = self.load("--ca-file", self.folder / "certificate.pem", "--server-name", "origin.example", "--save", out, "--include",
                         f"https://{SERVER}/big.bin")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(out.read_bytes(), BIG)
        self.assertIn("HTTP/3 200", done.stdout)
        self.assertIn(f"content-length: {len(BIG)}", done.stdout)

    def test_several_fetches_over_ipv6_go_to_a_folder(self):
        out = self.folder / "several"
        out.mkdir()
        base = f"https://[{SERVER6}]"
        done = self.load("--insecure", "--save", out, f"{base}/page.html", f"{base}/big.bin", address="2001:db8:4::2/64")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((out / "page.html").read_bytes(), PAGE)
        self.assertEqual((out / "big.bin").read_bytes(), BIG)

    def test_what_is_not_there_is_a_failure(self):
        done = self.load("--insecure", "--save", self.folder / "none", f"https://{SERVER}/none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("404", done.stderr)

    def test_an_unknown_authority_is_refused(self):
        done = self.load("--save", self.folder / "none", "--server-name", "origin.example", f"https://{SERVER}/page.html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("handshake", done.stderr)

    def test_closed_loop_counts_every_answer(self):
        before = int(self.origin.ask("/viaduct/http")["status_200"]) if "status_200" in self.origin.ask("/viaduct/http") else 0
        result = self.measure("--connections", "4", "--in-flight", "3", "--total", "500", f"https://{SERVER}/page.html",
                              times=UNTIL_ALL_IS_DONE)
        self.assertEqual(result["requests"]["done"], 500)
        self.assertEqual(result["requests"]["failed"], 0)
        self.assertEqual(result["connections_now"]["open"], 4)
        self.assertEqual(result["content"]["down_bytes"], result["requests"]["done"] * len(PAGE))
        self.assertEqual(result["latency_us"]["count"], result["requests"]["done"])
        served = int(self.origin.ask("/viaduct/http")["status_200"]) - before
        self.assertGreaterEqual(served, result["requests"]["done"])
        self.assertGreater(result["client"]["busy_share"], 0)

    def test_open_loop_keeps_its_rate(self):
        result = self.measure("--connections", "4", "--in-flight", "50", "--rate", "200", f"https://{SERVER}/page.html")
        self.assertLessEqual(result["requests"]["done"], 260)
        self.assertEqual(result["expected_interval_us"], 0)

    def test_handshakes_one_after_the_other(self):
        result = self.measure("--handshakes", "--connections", "2", "--requests-per-connection", "1", f"https://{SERVER}/page.html")
        self.assertGreater(result["handshakes"]["done"], 1)
        self.assertEqual(result["handshakes"]["failed"], 0)
        self.assertGreater(result["handshake_us"]["count"], 0)

    def test_connections_move_and_go_on(self):
        before = int(self.origin.ask("/viaduct/connections")["path_changes"])
        result = self.measure("--connections", "2", "--migrations", "10", f"https://{SERVER}/page.html")
        self.assertEqual(result["requests"]["failed"], 0)
        self.assertGreater(result["connections_now"]["moved"], 0)
        self.assertGreater(int(self.origin.ask("/viaduct/connections")["path_changes"]), before)

    def test_idle_connections_stay_open(self):
        result = self.measure("--idle", "--connections", "50", f"https://{SERVER}/page.html")
        self.assertEqual(result["connections_now"], {"open": 50, "lost": 0, "moved": 0})

    def test_uploads_arrive_whole(self):
        before = int(self.origin.ask("/viaduct/http")["upload_bytes"])
        result = self.measure("--upload", "2MB", "--total", "5", f"https://{SERVER}/upload/x", times=UNTIL_ALL_IS_DONE)
        self.assertEqual(result["requests"]["done"], 5)
        self.assertEqual(result["content"]["up_bytes"], 10_000_000)
        self.assertEqual(int(self.origin.ask("/viaduct/http")["upload_bytes"]) - before, 10_000_000)

    def test_without_authentication_says_so(self):
        result = self.measure("--without-authentication", f"https://{SERVER}/big.bin")
        self.assertGreater(result["requests"]["done"], 0)
        self.assertFalse(result["client"]["authenticates"])

    def test_a_server_that_is_not_there_ends_with_what_happened(self):
        done = self.load("--insecure", "--save", self.folder / "none", "--duration", "1", "https://198.18.4.9/page.html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("handshake", done.stderr)


if __name__ == "__main__":
    unittest.main()
