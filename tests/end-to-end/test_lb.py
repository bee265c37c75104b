"""viaduct-lb between a router and two origins: connections survive what happens to them, and operators see why."""
import hashlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import telemetry
from balancer import RETRY_KEY, Balancer, add_up, backend, origin_ids
from build import TOP
from curl import Curl
from hosts import end_process, wait_until
from origin import Origin
from support import BINARY, BUILD
from topology import Farm

LB = BUILD / "apps/lb/viaduct-lb"
BIG = random.Random(11).randbytes(10_000_000)


class FarmTest(unittest.TestCase):
    """Balancers and origins of a class; `forwarding` of the servers, in their order."""

    balancers = 1
    workers = 1  # of each balancer
    forwarding = ["direct", "direct"]
    pool = ""
    extra = ""  # of each balancer's configuration
    origin_extra = ""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="viaduct-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = cls.folder / "site"
        shutil.copytree(TOP / "tools" / "site", cls.root)
        (cls.root / "big.bin").write_bytes(BIG)
        cls.farm = Farm(cls.balancers, len(cls.forwarding))
        cls.addClassCleanup(cls.farm.stop)
        cls.origins = []
        for index in range(len(cls.forwarding)):
            cls.origins.append(cls.start_origin(index))
        backends = [backend(index, forwarding) for index, forwarding in enumerate(cls.forwarding)]
        cls.lbs = []
        for index in range(cls.balancers):
            cls.lbs.append(Balancer(LB, cls.farm, index, cls.folder, backends, pool=cls.pool_of(),
                                    extra=cls.extra, workers=cls.workers))
            cls.addClassCleanup(cls.check_exit, cls.lbs[-1])
        for balancer in cls.lbs:
            balancer.wait_ready()
        cls.farm.route_to(range(cls.balancers))
        cls.curl = Curl(cls.farm.client, cls.folder / "certificate.pem", Farm.SERVICE)
        cls.curl6 = Curl(cls.farm.client, cls.folder / "certificate.pem", Farm.SERVICE6)

    @classmethod
    def pool_of(cls):
        """What stands in front of the backends."""
        return cls.pool

    @classmethod
    def start_origin(cls, index, ids=0):
        ipv4, ipv6 = Farm.server_addresses(index)
        port = (f'service_addresses = ["{Farm.SERVICE}", "{Farm.SERVICE6}"]\ntunnels = ["ip-in-ip", "gue"]\n'
                'tunnels_from = ["198.18.1.0/24"]\n')
        origin = Origin(BINARY, cls.farm.servers[index], cls.folder, cls.root, ipv4=f"{ipv4}/24", ipv6=f"{ipv6}/64",
                        gateway4=Farm.GATEWAY, gateway6=Farm.GATEWAY6, port_extra=port, extra=origin_ids(ids, index) + cls.origin_extra,
                        name=f"s{index}").wait_ready()
        cls.addClassCleanup(origin.stop)
        return origin

    @staticmethod
    def check_exit(process):
        status = process.stop()
        if status not in (0, -9):
            raise AssertionError(f"{process.config} ended with {status}:\n{process.log.read_text()[-3000:]}")

    def start_transfers(self, ports, rate="16mbit", path="/big.bin"):
        transfers = {}
        self.farm.narrow(ports, rate)
        for number, port in enumerate(ports):
            curl = self.curl if number % 2 == 0 else self.curl6
            transfers[port] = curl.start(path, "-o", self.folder / str(port), "--local-port", port)
        time.sleep(1)
        return transfers

    def finish(self, transfers):
        for port, transfer in transfers.items():
            _, errors = transfer.communicate(timeout=60)
            self.assertEqual(transfer.returncode, 0, (port, errors, [lb.packets() for lb in self.lbs if lb.process.poll() is None]))
            self.assertEqual(hashlib.sha256((self.folder / str(port)).read_bytes()).digest(), hashlib.sha256(BIG).digest())

    def packets(self):
        return add_up(lb.packets() for lb in self.lbs if lb.process.poll() is None)


class Forwarding(FarmTest):
    """Each way to a server, side by side; tunnels are taken apart by the origin."""

    forwarding = ["direct", "ip-in-ip", "gue"]

    def test_requests_over_both_families_reach_every_server(self):
        page = (self.root / "index.html").read_bytes()
        for attempt in range(20):
            curl = self.curl if attempt % 2 == 0 else self.curl6
            status, _, body = curl.get("/")
            self.assertEqual((status, body), (200, page))
        for server, counts in self.packets().items():
            self.assertGreater(counts["Maglev"], 0, server)
            self.assertGreater(counts["CID"], 0, server)

    def test_a_large_file_through_each(self):
        for curl in (self.curl, self.curl6):
            self.assertEqual(hashlib.sha256(curl.get("/big.bin")[2]).digest(), hashlib.sha256(BIG).digest())

    def test_no_packet_waits_for_a_server_s_link_address(self):
        for attempt in range(8):
            self.assertEqual(self.curl.get("/")[0], 200)
        self.assertEqual(self.lbs[0].tell("/viaduct/verdicts").get("lb_next_hop_unknown", 0), 0)

    def test_every_frame_has_one_verdict(self):
        self.curl.get("/")
        def settled():
            received = self.lbs[0].tell("/viaduct/workers")["frames_received"]
            return received if received == sum(self.lbs[0].tell("/viaduct/verdicts").values()) else None
        self.assertGreater(wait_until(settled, 5, "frames received and verdicts differ"), 0)


class Changes(FarmTest):
    """The kernel spreads flows over the two queues of each balancer: a client that moves may come to another worker."""

    balancers = 2
    workers = 2

    def test_the_client_moves_to_another_address_and_port(self):
        before = self.packets()
        transfers = self.start_transfers(range(23000, 23004))
        for port in transfers:
            self.farm.move_client(port, port + 1000)
        self.finish(transfers)
        new = {server: counts["CID"] - before[server]["CID"] for server, counts in self.packets().items()}
        self.assertGreater(sum(new.values()), 100, new)
        changes = sum(int(origin.ask("/viaduct/connections")["path_changes"]) for origin in self.origins)
        self.assertGreaterEqual(changes, len(transfers))

    def test_a_drained_server_keeps_its_connections_and_gets_no_new_ones(self):
        transfers = self.start_transfers(range(23100, 23106))
        for lb in self.lbs:
            lb.ask("drain", backend="web/s0", state="draining")
        before = self.packets()
        for _ in range(6):
            self.assertEqual(self.curl.get("/")[0], 200)
        self.assertEqual(self.packets()["s0"]["Maglev"], before["s0"]["Maglev"])
        self.finish(transfers)
        for lb in self.lbs:
            lb.ask("drain", backend="web/s0", state="down")
        self.assertEqual(self.curl.get("/")[0], 200)
        for lb in self.lbs:
            lb.ask("drain", backend="web/s0", state="file")

    def test_reloads_lose_nothing(self):
        transfers = self.start_transfers(range(23200, 23204))
        for _ in range(20):
            for lb in self.lbs:
                lb.ask("apply")
        self.finish(transfers)

    def test_a_configuration_is_rotated(self):
        transfers = self.start_transfers(range(23300, 23304))
        for lb in self.lbs:
            lb.rotate(1, 2)
        for index, origin in enumerate(self.origins):
            origin.config.write_text(origin.config.read_text().replace(origin_ids(0, index), origin_ids(1, index)))
            origin.process.send_signal(1)
        time.sleep(0.5)
        fresh = self.start_transfers(range(23304, 23308))
        self.finish({**transfers, **fresh})
        seen = {row["id"]: row["packets"] for row in self.lbs[0].rows("configurations")}
        other = {row["id"]: row["packets"] for row in self.lbs[1].rows("configurations")}
        self.assertGreater(seen[1] + other[1], 100)
        for lb in self.lbs:
            self.assertFalse(lb.ask("rotate", status=1, unseen_seconds=3600)["is_unseen"])
            with self.assertRaisesRegex(RuntimeError, "unseen for"):
                lb.ask("rotate", remove=0, unseen_seconds=3600)


class KilledBalancer(FarmTest):
    balancers = 2

    def start_until_both_carry_some(self):
        """The router spreads connections by a hash with a secret of its own."""
        transfers = {}
        while len(transfers) < 8 or not all(any(counts["CID"] for counts in lb.packets().values()) for lb in self.lbs):
            self.assertLess(len(transfers), 40, [lb.packets() for lb in self.lbs])
            transfers.update(self.start_transfers(range(23400 + len(transfers), 23404 + len(transfers)), rate="8mbit"))
        return transfers

    def test_connections_go_on_through_the_other_one(self):
        transfers = self.start_until_both_carry_some()
        self.lbs[0].process.kill()
        time.sleep(0.3)  # what a router needs to notice
        self.farm.route_to([1])
        self.finish(transfers)


class Health(FarmTest):
    forwarding = ["direct", "ip-in-ip"]
    pool = '[pool.health]\ninterval = "300ms"\ntimeout = "200ms"\n'

    def states(self):
        return {row["backend"]: row["state"] for row in self.lbs[0].rows("backends")}

    def test_a_server_that_stops_gets_nothing_until_it_is_back(self):
        wait_until(lambda: all(row.get("health", {}).get("answered", 0) > 1 for row in self.lbs[0].rows("backends")), 10, "servers answer")
        self.assertEqual(self.states(), {"web/s0": "active", "web/s1": "active"})
        self.origins[1].process.kill()
        self.origins[1].process.wait()
        wait_until(lambda: self.states()["web/s1"] == "down", 10, "the balancer notices")
        for _ in range(4):
            self.assertEqual(self.curl.get("/")[0], 200)
        self.start_origin(1)
        wait_until(lambda: self.states()["web/s1"] == "active", 10, "the balancer notices that it is back")


class HealthByRequest(FarmTest):
    """Servers that answer any packet of an unknown version, and not what clients ask for."""

    forwarding = ["direct", "ip-in-ip", "gue"]

    @classmethod
    def pool_of(cls):
        return (f'[pool.health]\ncheck = "http3"\nhost = "origin.example"\npath = "/health.txt"\n'
                f'ca_file = "{cls.folder}/certificate.pem"\ninterval = "300ms"\ntimeout = "200ms"\n')

    @classmethod
    def start_origin(cls, index, ids=0):
        """Each has a site of its own, so that what is asked for can be missing at one of them."""
        common, cls.root = cls.root, cls.folder / f"site{index}"
        if not cls.root.exists():
            shutil.copytree(common, cls.root)
            (cls.root / "health.txt").write_text("well\n")
        try:
            return super().start_origin(index, ids)
        finally:
            cls.root = common

    def row(self, index):
        return next(row for row in self.lbs[0].rows("backends") if row["backend"] == f"web/s{index}")

    def wait_for(self, index, state, what):
        wait_until(lambda: self.row(index)["state"] == state, 10, what)

    def test_all_are_well(self):
        wait_until(lambda: all(self.row(index)["health"]["answered"] > 2 for index in range(3)), 10, "servers answer")
        for index in range(3):
            self.assertEqual(self.row(index)["state"], "active")
            self.assertNotIn("problem", self.row(index)["health"])

    def test_a_server_that_does_not_find_what_is_asked_for(self):
        (self.folder / "site1/health.txt").rename(self.folder / "site1/away.txt")
        self.wait_for(1, "down", "the balancer notices")
        self.assertEqual(self.row(1)["health"]["problem"], "http3: status 404")
        self.assertIn("down (health: http3: status 404)", self.lbs[0].ctl("show", "backends").stdout)
        for _ in range(6):
            self.assertEqual(self.curl.get("/")[0], 200)
        (self.folder / "site1/away.txt").rename(self.folder / "site1/health.txt")
        self.wait_for(1, "active", "the balancer notices that it is back")
        self.assertNotIn("problem", self.row(1)["health"])

    def test_a_server_that_hangs(self):
        process = self.origins[2].process
        process.send_signal(signal.SIGSTOP)
        try:
            self.wait_for(2, "down", "the balancer notices")
            self.assertEqual(self.row(2)["health"]["problem"], "http3: handshake timed out")
            for _ in range(4):
                self.assertEqual(self.curl.get("/")[0], 200)
        finally:
            process.send_signal(signal.SIGCONT)
        self.wait_for(2, "active", "the balancer notices that it goes on")


class RetryForServers(FarmTest):
    """Clients show their addresses to the balancer before a server hears of them."""

    forwarding = ["direct", "ip-in-ip"]
    extra = f"[retry]\nalways = true\n{RETRY_KEY}"
    origin_extra = f"[retry_offload]\n{RETRY_KEY}"

    def accepted(self):
        return sum(int(origin.ask("/viaduct/connections")["tokens_accepted"]) for origin in self.origins)

    def test_servers_take_the_balancer_s_tokens(self):
        page = (self.root / "index.html").read_bytes()
        before, sent = self.accepted(), self.lbs[0].tell("/viaduct/verdicts").get("lb_retry_sent", 0)
        for curl in (self.curl, self.curl6) * 4:
            status, _, body = curl.get("/")
            self.assertEqual((status, body), (200, page))
        self.assertEqual(self.accepted() - before, 8)
        self.assertGreaterEqual(self.lbs[0].tell("/viaduct/verdicts")["lb_retry_sent"] - sent, 8)
        self.assertEqual(self.lbs[0].tell("/viaduct/verdicts").get("lb_token_refused", 0), 0)

    def test_keys_change_without_a_restart(self):
        """First everybody accepts the new one, then all make tokens with it, then the former one goes."""
        new = RETRY_KEY.replace("d2a1", "0123")
        files = {self.lbs[0]: "retry", **{origin: "retry_offload" for origin in self.origins}}
        before = self.accepted()
        now = RETRY_KEY
        for first, second in ((RETRY_KEY, new), (new, RETRY_KEY), (new, "")):
            for process, table in files.items():
                then = first + (f"[[{table}.accepted]]\n{second}" if second else "")
                was = now if now == RETRY_KEY else now.replace("TABLE", table)
                process.config.write_text(process.config.read_text().replace(was, then))
                process.process.send_signal(signal.SIGHUP)
                time.sleep(0.3)
                self.assertEqual(self.curl.get("/")[0], 200)
            now = first + (f"[[TABLE.accepted]]\n{second}" if second else "")
        self.assertGreaterEqual(self.accepted() - before, 9)
        self.assertEqual(self.lbs[0].tell("/viaduct/verdicts").get("lb_token_refused", 0), 0)


class Control(FarmTest):
    def test_show_prints_tables(self):
        self.curl.get("/")
        for what, word in (("services", "198.18.9.1:443"), ("backends", "web/s1"), ("configurations", "single-pass"),
                           ("tables", "flows"), ("workers", "lb-routed-by-id")):
            done = self.lbs[0].ctl("show", what)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(word, done.stdout)

    def test_plan_says_what_would_move_and_moves_nothing(self):
        done = self.lbs[0].ctl("plan", "--out", "web/s1")
        self.assertRegex(done.stdout, r"pool web: 5\d\.\d\d % of new flows|pool web: 4\d\.\d\d % of new flows")
        self.assertIn("its connections would be lost", done.stdout)
        self.assertEqual(self.lbs[0].rows("backends")[1]["state"], "active")

    def test_mistakes_are_named(self):
        for words, expected in ((["drain", "web/s7"], "there is no backend 'web/s7'"), (["apply", "/none.toml"], "/none.toml"),
                                (["rotate", "remove", "5"], "there is no configuration 5")):
            done = self.lbs[0].ctl(*words)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(expected, done.stderr)

    def test_metrics_are_there_for_what_the_dashboard_shows(self):
        self.curl.get("/")
        time.sleep(1.2)  # what is told of servers is a second old at most
        exporter = self.farm.client.start("dpdk-telemetry-exporter.py", "-o", "prometheus://127.0.0.1:9876", "-e", "viaduct",
                                          "-p", TOP / "apps/lb/monitoring", "-s", telemetry.socket_path(self.lbs[0].prefix),
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(end_process, exporter)
        text = wait_until(lambda: self.farm.client.run("curl", "-sf", "http://127.0.0.1:9876/", check=False).stdout, 10, "metrics")
        self.assertRegex(text, r'dpdk_viaduct_server_packets\{pool="web", server="s[01]", by="connection ID"\} [1-9]')
        dashboard = (TOP / "apps/lb/monitoring/dashboard.json").read_text()
        for name in set(re.findall(r"dpdk_viaduct_\w+", dashboard)):
            self.assertIn(f"# HELP {name} ", text)

    def test_captures_carry_decisions_and_explain_reads_them(self):
        for _ in range(8):
            self.curl.get("/")  # the balancer knows both servers' MAC addresses then
        output = self.folder / "capture.pcapng"
        capture = subprocess.Popen(["python3", TOP / "apps/lb/viaductctl", "--socket", self.lbs[0].socket, "capture", "--seconds",
                                    "2", "--output", output], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(0.5)
        self.curl.get("/")
        printed, _ = capture.communicate(timeout=20)
        self.assertEqual(capture.returncode, 0, printed)
        content = output.read_bytes()
        self.assertIn(b"lb-routed-by-id -> web/s", content)
        self.assertIn(b"lb-routed-as-new -> web/s", content)
        shown = subprocess.run(["tcpdump", "-nr", output], text=True, capture_output=True, timeout=20)
        self.assertIn(Farm.SERVICE, shown.stdout, shown.stderr)
        done = self.lbs[0].ctl("explain", "--pcap", output)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"configuration 0 \(single-pass\), server id 0b0b0b0[01]: web/s[01]")


if __name__ == "__main__":
    unittest.main()
