"""viaduct-origin over DPDK's af_packet, asked by curl, ping and DPDK's own tools."""
import hashlib
import random
import subprocess
import time
import unittest

from support import BINARY, OriginTest
from topology import Line

BIG = random.Random(7).randbytes(10_000_000)


class Requests(OriginTest):
    files = {"big.bin": BIG, ".hidden": b"no", "empty.txt": b""}

    def test_a_page_over_both_families(self):
        for curl in (self.curl, self.curl6):
            status, headers, body = curl.get("/")
            self.assertEqual((status, body), (200, (self.root / "index.html").read_bytes()))
            self.assertEqual(headers["content-length"], str(len(body)))

    def test_a_large_file_arrives_whole(self):
        _, _, body = self.curl.get("/big.bin")
        self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(BIG).digest())

    def test_an_empty_file(self):
        status, headers, body = self.curl.get("/empty.txt")
        self.assertEqual((status, headers["content-length"], body), (200, "0", b""))

    def test_head_has_the_headers_of_get_and_no_body(self):
        status, headers, body = self.curl.get("/big.bin", "--head")
        self.assertEqual((status, headers["content-length"]), (200, str(len(BIG))))
        self.assertNotIn(BIG[:16], body)

    def test_a_known_version_is_not_sent_again(self):
        _, headers, _ = self.curl.get("/style.css")
        status, _, body = self.curl.get("/style.css", "-H", f"If-None-Match: {headers['etag']}")
        self.assertEqual((status, body), (304, b""))
        status, _, body = self.curl.get("/style.css", "-H", f"If-Modified-Since: {headers['last-modified']}")
        self.assertEqual((status, body), (304, b""))

    def test_the_same_again_and_again(self):
        asked = 50
        page = (self.root / "style.css").read_bytes()
        urls = [self.curl.origin + "/style.css"] * (asked - 1)
        self.assertEqual(self.curl.raw("/style.css", *urls).stdout, page * asked)
        # What comes at the same time may be written in any order.
        self.assertEqual(sorted(self.curl.raw("/style.css", "--parallel", *urls).stdout), sorted(page * asked))

    def test_ranges(self):
        for asked, first, last in (("0-0", 0, 0), ("100-", 100, len(BIG) - 1), ("-5", len(BIG) - 5, len(BIG) - 1),
                                   ("9999990-20000000", 9_999_990, len(BIG) - 1)):
            status, headers, body = self.curl.get("/big.bin", "--range", asked)
            self.assertEqual((status, headers["content-range"]), (206, f"bytes {first}-{last}/{len(BIG)}"), asked)
            self.assertEqual(body, BIG[first:last + 1], asked)
        status, headers, _ = self.curl.get("/big.bin", "--range", "10000000-")
        self.assertEqual((status, headers["content-range"]), (416, f"bytes */{len(BIG)}"))

    def test_what_is_not_there_and_not_allowed(self):
        outside = self.folder / "secret.txt"
        outside.write_text("secret")
        (self.root / "link.txt").symlink_to(outside)
        for path in ("/none.html", "/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/.hidden", "/a%00b"):
            status, _, body = self.curl.get(path, "--path-as-is")
            self.assertIn(status, (400, 404), path)
            self.assertNotIn(b"secret", body, path)
        status, headers, _ = self.curl.get("/", "-X", "DELETE")
        self.assertEqual(status, 405)
        self.assertIn("GET", headers["allow"])

    def test_oversize_headers_are_refused_and_the_next_request_is_served(self):
        status, _, _ = self.curl.get("/", "-H", "x-long: " + "a" * 60_000)
        self.assertEqual(status, 431)
        self.assertEqual(self.curl.get("/")[0], 200)

    def test_echo_is_answered(self):
        self.line.client.run("ping", "-c", "2", "-W", "2", Line.ORIGIN)
        self.line.client.run("ping", "-c", "2", "-W", "2", Line.ORIGIN6)


class Rebinding(OriginTest):
    files = {"big.bin": BIG}
    options = {"workers": 2}

    def test_transfers_survive_new_ports_on_either_worker(self):
        before = self.number("/viaduct/connections", "path_changes")
        ports = range(21000, 21008)
        transfers = [self.curl.start("/big.bin", "-o", self.folder / str(port), "--limit-rate", "3M", "--local-port", port)
                     for port in ports]
        time.sleep(1)
        for port in ports:
            self.line.rewrite_source_port(port, port + 1000)
        for port, transfer in zip(ports, transfers):
            _, errors = transfer.communicate(timeout=60)
            self.assertEqual(transfer.returncode, 0, errors)
            self.assertEqual((self.folder / str(port)).read_bytes(), BIG)
        self.assertGreaterEqual(self.number("/viaduct/connections", "path_changes") - before, len(ports))
        workers = self.origin.ask("/viaduct/workers")
        self.assertGreater(int(workers["handed_off"]), 0, workers)
        self.assertEqual(self.number("/viaduct/connections", "owner_violations"), 0)


class HandshakeWorkers(OriginTest):
    files = {"big.bin": BIG}
    options = {"workers": 2, "extra": "handshake_workers = 1"}

    def test_their_handshakes_open_connections_on_every_worker(self):
        transfers = [self.curl.start("/big.bin", "-o", self.folder / str(i)) for i in range(8)]
        for i, transfer in enumerate(transfers):
            _, errors = transfer.communicate(timeout=60)
            self.assertEqual(transfer.returncode, 0, errors)
            self.assertEqual((self.folder / str(i)).read_bytes(), BIG)
        crypto = self.origin.ask("/viaduct/crypto")
        self.assertIn(crypto["protector"], ("ipsec-mb", "openssl"))
        self.assertEqual(int(crypto["handshake_workers"]), 1)
        # Each handshake asks to begin, brings a ClientHello and a Finished, and ends.
        self.assertGreaterEqual(int(crypto["handshake_steps"]), 3 * len(transfers))
        self.assertGreater(int(crypto["handshakes_handed_over_high_water"]), 0)
        self.assertEqual(int(crypto["handshakes_handed_over_refused"]), 0)


class TwoWorkersUnderLoad(OriginTest):
    """200 connections at once, at least four transfers of 10 MB on each of two workers, all with new ports on the way."""

    files = {"big.bin": BIG, "slow.bin": BIG[:200_000]}
    options = {"workers": 2}
    OTHERS = 200

    def wait_for(self, what, true):
        deadline = time.monotonic() + 60
        while not true(workers := self.origin.ask("/viaduct/workers")):
            self.assertLess(time.monotonic(), deadline, f"{what}: {workers}")
            time.sleep(0.05)

    def start_transfers(self):
        """New ones until each worker has four; by port."""
        transfers = {}
        while True:
            workers = self.origin.ask("/viaduct/workers")
            if min(int(workers["requests_0"]), int(workers["requests_1"])) >= 4:
                return transfers
            port = 22000 + len(transfers)
            self.assertLess(len(transfers), 40, workers)
            transfers[port] = self.curl.start("/big.bin", "-o", self.folder / str(port), "--limit-rate", "1M",
                                              "--local-port", port)
            time.sleep(0.1)

    def start_others(self):
        """One curl with a connection for each of so many host names."""
        entries = self.folder / "others.curl"
        entries.write_text("".join(f'url = "https://host-{i}.example/slow.bin"\noutput = "{self.folder}/other-{i}"\n'
                                   for i in range(self.OTHERS)))
        return self.line.client.start("curl", "--http3-only", "--silent", "--show-error", "--insecure", "--fail", "--parallel",
                                      "--parallel-immediate", "--parallel-max", "300", "--limit-rate", "40K", "--resolve",
                                      f"*:443:{Line.ORIGIN}", "-K", entries, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_nothing_is_lost_or_touched_twice(self):
        transfers = self.start_transfers()
        others = self.start_others()
        self.wait_for("open connections", lambda workers: int(workers["connections_0"]) + int(workers["connections_1"]) >=
                      self.OTHERS + len(transfers))
        workers = self.origin.ask("/viaduct/workers")
        self.assertGreater(min(int(workers["connections_0"]), int(workers["connections_1"])), 50, workers)
        for port in transfers:
            self.line.rewrite_source_port(port, port + 1000)
        for port, transfer in transfers.items():
            _, errors = transfer.communicate(timeout=120)
            self.assertEqual(transfer.returncode, 0, errors)
            self.assertEqual((self.folder / str(port)).read_bytes(), BIG)
        _, errors = others.communicate(timeout=120)
        self.assertEqual(others.returncode, 0, (errors, self.origin.ask("/viaduct/http")))
        for i in range(self.OTHERS):
            self.assertEqual((self.folder / f"other-{i}").read_bytes(), BIG[:200_000])
        workers = self.origin.ask("/viaduct/workers")
        self.assertGreater(int(workers["handed_off"]), 0, workers)
        self.assertGreaterEqual(self.number("/viaduct/connections", "path_changes"), len(transfers))
        self.assertEqual(self.number("/viaduct/connections", "owner_violations"), 0)


class Operation(OriginTest):
    files = {"big.bin": BIG}

    def test_telemetry_is_read_by_dpdks_own_tool(self):
        done = subprocess.run(["dpdk-telemetry.py", "-f", self.origin.prefix], input="/viaduct/verdicts\nquit\n", text=True,
                              capture_output=True, timeout=20)
        self.assertIn("/viaduct/verdicts", done.stdout, done.stderr)

    def test_every_stage_of_a_transfer_has_its_cycles(self):
        self.curl.get("/big.bin")
        stages = {name: int(value) for name, value in self.origin.ask("/viaduct/stages").items()}
        for name in ("receive", "headers", "open", "frames", "commands", "tls", "events", "application", "build", "seal", "send",
                     "idle"):
            self.assertGreater(stages[f"cycles_{name}"], 0, name)
        self.assertIn("cycles_stolen", stages)
        self.assertGreater(stages["packets_built"], len(BIG) // 1500)
        self.assertLess(stages["cycles_busy"], stages["cycles_total"])
        self.assertGreater(stages["cycles_seal"], stages["packets_built"] * 100)

    def test_capture_writes_a_file_that_tcpdump_reads(self):
        output = self.folder / "capture.pcapng"
        capture = self.line.client.start(BINARY, "capture", "--prefix", self.origin.prefix, "--seconds", "2", "--output", output,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(0.5)
        self.assertEqual(self.curl.get("/")[0], 200)
        printed, _ = capture.communicate(timeout=20)
        self.assertEqual(capture.returncode, 0, printed)
        shown = subprocess.run(["tcpdump", "-nr", output, "udp", "port", "443"], text=True, capture_output=True, timeout=20)
        self.assertIn(Line.ORIGIN, shown.stdout, shown.stderr)

    def test_check_names_file_line_key_and_what_was_expected(self):
        config = self.folder / "wrong.toml"
        config.write_text(self.origin.config.read_text().replace("workers = 1", 'workers = "many"'))
        done = subprocess.run([BINARY, "--check", "--config", config], text=True, capture_output=True, timeout=20)
        self.assertNotEqual(done.returncode, 0)
        for word in (str(config), ":1", "workers", "expected"):
            self.assertIn(word, done.stdout + done.stderr)
        done = subprocess.run([BINARY, "--check", "--config", self.origin.config], text=True, capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_placement_is_explained(self):
        done = subprocess.run([BINARY, "--config", self.origin.config, "--explain-placement"], text=True, capture_output=True,
                              timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("worker 0", done.stdout)


class Drain(OriginTest):
    files = {"big.bin": BIG}

    def test_sigterm_lets_a_transfer_finish(self):
        transfer = self.curl.start("/big.bin", "-o", self.folder / "drained", "--limit-rate", "5M")
        time.sleep(0.7)
        self.origin.process.terminate()
        _, errors = transfer.communicate(timeout=30)
        self.assertEqual(transfer.returncode, 0, errors)
        self.assertEqual((self.folder / "drained").read_bytes(), BIG)
        self.assertEqual(self.origin.process.wait(15), 0)


if __name__ == "__main__":
    unittest.main()
