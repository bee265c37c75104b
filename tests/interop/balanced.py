"""usage: tests/interop/run-balanced [unittest's words]

viaduct-lb among programs that others wrote: nginx and Caddy behind it, by L2 direct return and by address translation; BIRD
announcing two balancers to a router, which spreads over both. curl is the client. The last line is "N passed, N failed".
"""
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools" / "lib")]

import servers  # noqa: E402
from announcing import Announcing  # noqa: E402
from balancer import Balancer, backend, origin_ids  # noqa: E402
from build import TOP, build  # noqa: E402
from curl import Curl  # noqa: E402
from hosts import wait_until  # noqa: E402
from origin import Origin  # noqa: E402
from topology import Farm  # noqa: E402

BUILD = Path(os.environ.get("VIADUCT_BUILD", TOP / "build/release"))
BIG = random.Random(5).randbytes(5_000_000)


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


class Balanced(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="viaduct-balanced-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "www").mkdir()
        (self.folder / "www/big.bin").write_bytes(BIG)
        (self.folder / "www/index.html").write_bytes(BIG[:1000])

    def farm_of(self, balancers, count, kernel_servers=False):
        farm = Farm(balancers, count, kernel_servers=kernel_servers)
        self.addCleanup(farm.stop)
        return farm

    def start_balancer(self, farm, index, backends):
        balancer = Balancer(BUILD / "apps/lb/viaduct-lb", farm, index, self.folder, backends,
                            pool='[pool.health]\ninterval = "300ms"\ntimeout = "200ms"\n').wait_ready()
        self.addCleanup(balancer.stop)
        return balancer

    def curls(self, farm):
        return [Curl(farm.client, self.folder / "certificate.pem", address) for address in (Farm.SERVICE, Farm.SERVICE6)]


class OthersServers(Balanced):
    """Neither server knows of a balancer. Their connection IDs say nothing to it: tables do."""

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem", "-subj", "/CN=origin.example",
                        "-addext", "subjectAltName=DNS:origin.example"], check=True, capture_output=True)

    def serve(self, forwarding):
        self.make_certificate()
        farm = self.farm_of(1, 2, kernel_servers=True)
        # Caddy's socket for any address answers from the host's own, which no client asked: it needs to be told its addresses.
        bound = f"bind {Farm.server_addresses(1)[0]} {Farm.SERVICE} {Farm.SERVICE6}"
        for host, start, options in zip(farm.servers, (servers.nginx, servers.caddy), ("", bound)):
            folder = self.folder / start.__name__
            folder.mkdir()
            for name in ("www", "certificate.pem", "key.pem"):
                (folder / name).symlink_to(self.folder / name)
            for server in start(host, folder, options):
                self.addCleanup(server.stop)
        # An IPv6 client's packets are translated to the IPv4 of the server, and back.
        balancer = self.start_balancer(farm, 0, [backend(0, forwarding), backend(1, forwarding)])
        farm.route_to([0])
        wait_until(lambda: all(row.get("health", {}).get("answered", 0) > 0 for row in balancer.rows("backends")), 10,
                   "the servers do not answer what any QUIC server must")
        for attempt in range(16):
            status, _, body = self.curls(farm)[attempt % 2].get("/index.html")
            self.assertEqual((status, body), (200, BIG[:1000]))
        for curl in self.curls(farm):
            self.assertEqual(sum_of(curl.get("/big.bin")[2]), sum_of(BIG))
        for server, counts in balancer.packets().items():
            self.assertGreater(counts["Maglev"], 0, f"{server} got no connection")
            self.assertGreater(counts["table"], 0, server)
        self.assertEqual({row["state"] for row in balancer.rows("backends")}, {"active"})

    def test_direct_return_to_nginx_and_caddy(self):
        self.serve("direct")

    def test_translation_to_nginx_and_caddy(self):
        self.serve("nat")


class ManyBalancers(Balanced):
    """Two balancers, announced by BIRD to a router of the kernel's; two origins."""

    def test_the_router_follows_what_balancers_say(self):
        farm = self.farm_of(2, 2)
        origins = []
        for index in range(2):
            ipv4, ipv6 = Farm.server_addresses(index)
            origins.append(Origin(
                BUILD / "apps/origin/viaduct-origin", farm.servers[index], self.folder, self.folder / "www", ipv4=f"{ipv4}/24",
                ipv6=f"{ipv6}/64", gateway4=Farm.GATEWAY, gateway6=Farm.GATEWAY6, extra=origin_ids(0, index), name=f"s{index}",
                port_extra=f'service_addresses = ["{Farm.SERVICE}", "{Farm.SERVICE6}"]').wait_ready())
            self.addCleanup(origins[-1].stop)
        balancers = [self.start_balancer(farm, index, [backend(0), backend(1)]) for index in range(2)]
        announcing = Announcing(farm, self.folder, [balancer.socket for balancer in balancers])
        wait_until(lambda: announcing.next_hops() == {0, 1}, 20, "the router does not learn of both balancers")

        transfers = self.start_transfers(farm)
        for balancer in balancers:
            self.assertGreater(sum(counts["CID"] for counts in balancer.packets().values()), 0, "both carry some of them")
        balancers[0].process.kill()
        wait_until(lambda: announcing.next_hops() == {1}, 10, "the router keeps a balancer that is gone")
        self.finish(transfers)

        for index in range(2):
            balancers[1].ask("drain", backend=f"web/s{index}", state="down")
        wait_until(lambda: announcing.next_hops() == set(), 10, "a balancer without servers is still announced")
        balancers[1].ask("drain", backend="web/s0", state="file")
        wait_until(lambda: announcing.next_hops() == {1}, 10, "a balancer with a server again is not announced")
        self.assertEqual(self.curls(farm)[0].get("/index.html")[0], 200)

    def start_transfers(self, farm):
        curls, ports = self.curls(farm), range(26000, 26008)
        farm.narrow(ports, "6mbit")
        transfers = [(self.folder / f"got-{port}",
                      curls[port % 2].start("/big.bin", "-o", self.folder / f"got-{port}", "--local-port", port)) for port in ports]
        time.sleep(1)
        return transfers

    def finish(self, transfers):
        for path, transfer in transfers:
            _, errors = transfer.communicate(timeout=60)
            self.assertEqual(transfer.returncode, 0, errors)
            self.assertEqual(sum_of(path.read_bytes()), sum_of(BIG))


def main():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if "VIADUCT_BUILD" not in os.environ:
        build("interop")
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
