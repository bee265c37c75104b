"""The soak's second half: viaduct-lb under frames that nobody wants, while a hundred connections transfer through it."""
import json
import subprocess
import sys
import time

from balancer import Balancer, backend, origin_ids
from build import TOP
from hosts import wait_until
from origin import Origin
from topology import Farm

CONNECTIONS = 100
FILE_BYTES = 500_000
SETTLE_SECONDS = 30


def resident_mb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class BalancerSoak:
    """`check(what, held, detail)` is told of each thing that was looked at."""

    def __init__(self, folder, build, root, seconds, rate, seed, check):
        self.folder, self.seconds, self.rate, self.seed, self.check = folder, seconds, rate, seed, check
        (root / "slow.bin").write_bytes(bytes(FILE_BYTES))
        self.farm = Farm(1, 2)
        self.origins = []
        for index in range(2):
            ipv4, ipv6 = Farm.server_addresses(index)
            port = (f'service_addresses = ["{Farm.SERVICE}", "{Farm.SERVICE6}"]\ntunnels = ["ip-in-ip"]\n'
                    'tunnels_from = ["198.18.1.0/24"]')
            self.origins.append(Origin(build / "apps/origin/viaduct-origin", self.farm.servers[index], folder, root,
                                       ipv4=f"{ipv4}/24", ipv6=f"{ipv6}/64", gateway4=Farm.GATEWAY, gateway6=Farm.GATEWAY6,
                                       extra=origin_ids(0, index), name=f"s{index}", port_extra=port).wait_ready())
        self.balancer = Balancer(build / "apps/lb/viaduct-lb", self.farm, 0, folder,
                                 [backend(0, "direct"), backend(1, "ip-in-ip")]).wait_ready()
        self.farm.route_to([0])

    def start_connections(self, attempt):
        """A hundred, each to a name of its own; one curl for each family."""
        curls = []
        for family, address in enumerate((Farm.SERVICE, f"[{Farm.SERVICE6}]")):
            entries = self.folder / f"connections-{family}.curl"
            entries.write_text("".join(f'url = "https://host-{attempt}-{i}.example/slow.bin"\noutput = "/dev/null"\n'
                                       for i in range(CONNECTIONS // 2)))
            curls.append(self.farm.client.start(
                "curl", "--http3-only", "--silent", "--show-error", "--insecure", "--fail", "--parallel", "--parallel-immediate",
                "--parallel-max", CONNECTIONS, "--limit-rate", "40K", "--resolve", f"*:443:{address}", "-K", entries,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        return curls

    def transfer_until(self, flood):
        """Round after round until the flood ends; (rounds, what failed)."""
        rounds, failures = 0, []
        while True:
            curls = self.start_connections(rounds)
            rounds += 1
            for curl in curls:
                _, errors = curl.communicate(timeout=300)
                if curl.returncode != 0:
                    failures.append(f"exit {curl.returncode}: {errors.strip()[-200:]}")
            if flood.poll() is not None:
                return rounds, failures

    def start_flood(self, seconds, seed):
        return self.farm.router.start(sys.executable, TOP / "tools/lib/flood.py", "lb0", seconds, self.rate, seed,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def settled(self):
        received = self.balancer.tell("/viaduct/workers")["frames_received"]
        return received if received == sum(self.balancer.tell("/viaduct/verdicts").values()) else None

    def run(self):
        warm = self.start_flood(5, self.seed)
        self.transfer_until(warm)
        memory = resident_mb(self.balancer.process)
        flood = self.start_flood(self.seconds, self.seed + 1)
        rounds, failures = self.transfer_until(flood)
        output, errors = flood.communicate()
        self.check("balancer: it took what it got and did not stop", self.balancer.process.poll() is None and not errors,
                   output.strip() or errors[-300:])
        if self.balancer.process.poll() is not None:
            return
        sent = json.loads(output)
        self.check("balancer: no connection failed", not failures,
                   f"{rounds} rounds of {CONNECTIONS} connections{''.join('; ' + failure for failure in failures[:3])}")
        try:
            received = wait_until(self.settled, SETTLE_SECONDS, "frames received and verdicts differ")
            self.check("balancer: every frame has one verdict", received > sent["garbage"], f"{received}")
        except RuntimeError as problem:
            self.check("balancer: every frame has one verdict", False, str(problem))
        after = resident_mb(self.balancer.process)
        self.check("balancer: memory is flat", after - memory < 4, f"{memory:.1f} MB, {after:.1f} MB after it all")
        pool = self.balancer.tell("/viaduct/tables")
        self.check("balancer: no packet was refused for want of memory", pool["packets_refused"] == 0, f"{pool}")
        time.sleep(0.1)
        self.check("balancer: SIGTERM ends it", (status := self.balancer.stop()) == 0, f"exit status {status}")

    def stop(self):
        for origin in self.origins:
            origin.stop()
        self.farm.stop()

    def log(self):
        return self.balancer.log.read_text(errors="replace")[-3000:]
