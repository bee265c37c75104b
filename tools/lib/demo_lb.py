"""The demo's second half: a client, a router, two balancers, two origins; what happens to connections through them."""
import hashlib
import time

from balancer import Balancer, add_up, backend, origin_ids, served
from build import TOP
from curl import Curl
from hosts import wait_until
from origin import Origin
from topology import Farm

BINARIES = TOP / "build/release/apps"
TRANSFERS = 8
TRANSFER_BYTES = 20 * 1000 * 1000
# The client's line, for each: about eleven seconds, in which everything happens. curl itself reads as fast as it can: where
# its --limit-rate lets the stream's window fill, it loses its last MAX_STREAM_DATA with the balancer and never repeats it
# (its OpenSSL forgets the sending half of a stream that is acknowledged, and with it what the other half has to say).
RATE = "14mbit"
UNNOTICED = 0.5  # seconds until a router knows of a dead balancer, in which what is for it is lost
ALL_THE_TIME = range(25000, 25000 + TRANSFERS)
MOVED = range(25000, 25004)


def expect(condition, text):
    if not condition:
        raise RuntimeError(text)


def sums(paths):
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found


class BalancedDemo:
    def __init__(self, folder, root, big_sum):
        self.folder, self.root, self.big_sum = folder, root, big_sum
        with open(root / "100MB.bin", "rb") as file:
            (root / "20MB.bin").write_bytes(file.read(TRANSFER_BYTES))
        self.wanted_sum = sums([root / "20MB.bin"])[0]
        self.farm = Farm(balancers=2, servers=2)
        self.origins, self.balancers, self.transfers = [], [], {}

    def start(self):
        for index in range(2):
            ipv4, ipv6 = Farm.server_addresses(index)
            self.origins.append(Origin(
                BINARIES / "origin/viaduct-origin", self.farm.servers[index], self.folder, self.root, ipv4=f"{ipv4}/24",
                ipv6=f"{ipv6}/64", gateway4=Farm.GATEWAY, gateway6=Farm.GATEWAY6, extra=origin_ids(0, index), name=f"s{index}",
                port_extra=f'service_addresses = ["{Farm.SERVICE}", "{Farm.SERVICE6}"]').wait_ready())
        backends = [backend(index) for index in range(2)]
        self.balancers = [Balancer(BINARIES / "lb/viaduct-lb", self.farm, index, self.folder, backends) for index in range(2)]
        for balancer in self.balancers:
            balancer.wait_ready()
        self.farm.route_to([0, 1])
        return f"{Farm.SERVICE} and {Farm.SERVICE6}, by ECMP over two; two origins answer the client directly"

    def curl(self, number=0):
        return Curl(self.farm.client, self.folder / "certificate.pem", Farm.SERVICE if number % 2 == 0 else Farm.SERVICE6)

    def running(self):
        return [balancer for balancer in self.balancers if balancer.process.poll() is None]

    def packets(self):
        return add_up(balancer.packets() for balancer in self.running())

    def pages(self):
        before = self.packets()
        names = sorted(path.name for path in (TOP / "tools" / "site").iterdir())
        for number in range(12):
            name = names[number % len(names)]
            status, _, body = self.curl(number).get("/" + name)
            expect(status == 200 and body == (self.root / name).read_bytes(), f"/{name}: {status}, {len(body)} bytes")
        return served(before, self.packets())

    def big_file(self, number):
        before, out = self.packets(), self.folder / "balanced.bin"
        seconds = float(self.curl(number).raw("/100MB.bin", "-o", out, "-w", "%{time_total}").stdout)
        expect(sums([out]) == [self.big_sum], "the sums differ")
        return f"{seconds:.2f} s; {served(before, self.packets())}"

    def parallel(self, number):
        """Each with a connection of its own, because each has another host's name."""
        before, curl = self.packets(), self.curl(number)
        address = Farm.SERVICE if number % 2 == 0 else f"[{Farm.SERVICE6}]"
        command = ["curl", "--http3-only", "--silent", "--show-error", "--fail", "--insecure", "--parallel", "--parallel-immediate",
                   "--parallel-max", "50", "--resolve", f"*:443:{address}"]
        for i in range(50):
            command += ["-o", str(self.folder / f"many-{i}"), f"https://host-{i}.example/index.html"]
        curl.host.run(*command)
        page = (self.root / "index.html").read_bytes()
        expect(all((self.folder / f"many-{i}").read_bytes() == page for i in range(50)), "an answer differs")
        return served(before, self.packets())

    def start_transfers(self):
        self.farm.narrow(ALL_THE_TIME, RATE)
        for number, port in enumerate(ALL_THE_TIME):
            self.transfers[port] = self.curl(number).start("/20MB.bin", "-o", self.folder / f"transfer-{port}", "--local-port", port)
        time.sleep(1)
        self.still_running()
        return f"{TRANSFERS} of {TRANSFER_BYTES // 1000000} MB, IPv4 and IPv6"

    def still_running(self):
        over = [port for port, transfer in self.transfers.items() if transfer.poll() is not None]
        expect(not over, f"transfers {over} are over already")

    def move_client(self):
        for port in MOVED:
            self.farm.move_client(port, port + 1000)
        def counted():
            return sum(int(origin.ask("/viaduct/connections")["path_changes"]) for origin in self.origins) >= len(MOVED)
        wait_until(counted, 5, "the origins do not count the changes")
        self.still_running()
        return f"ports {MOVED[0]} to {MOVED[-1]} of {Farm.CLIENT}: 1,000 higher, of 198.18.0.77; by CID to the same servers"

    def rotate(self):
        for balancer in self.balancers:
            balancer.rotate(1, 2)
        for index, origin in enumerate(self.origins):
            origin.config.write_text(origin.config.read_text().replace(origin_ids(0, index), origin_ids(1, index)))
            origin.process.send_signal(1)
        wait_until(lambda: all("configuration 1" in origin.log.read_text(errors="replace") for origin in self.origins), 5,
                   "the origins do not change")
        for number in range(4):
            expect(self.curl(number).get("/")[0] == 200, "a page failed")
        self.still_running()
        seen = {0: 0, 1: 0}
        for balancer in self.balancers:
            for row in balancer.rows("configurations"):
                seen[row["id"]] += row["packets"]
        expect(seen[1] > 0, "nothing is seen of the new configuration")
        return f"packets so far: {seen[0]} by configuration 0, {seen[1]} by configuration 1"

    def reload(self):
        for _ in range(20):
            for balancer in self.running():
                balancer.ask("apply")
        self.still_running()
        return "20 times, both"

    def kill_balancer(self):
        carried = [sum(counts["CID"] for counts in balancer.packets().values()) for balancer in self.balancers]
        self.balancers[0].process.kill()
        self.balancers[0].process.wait()
        time.sleep(UNNOTICED)
        self.farm.route_to([1])
        self.still_running()
        return f"it had carried {carried[0]} packets, the other one {carried[1]}; the router knows {UNNOTICED} s later"

    def drain(self):
        balancer = self.balancers[1]
        plan = balancer.ask("plan", backend="web/s0", state="draining")["pools"][0]["moved"]
        balancer.ask("drain", backend="web/s0", state="draining")
        before = balancer.packets()
        for number in range(6):
            expect(self.curl(number).get("/")[0] == 200, "a page failed")
        expect(balancer.packets()["s0"]["Maglev"] == before["s0"]["Maglev"], "the drained server got new connections")
        self.still_running()
        return f"the plan: {100 * plan:.1f} % of new flows move; then: {served(before, balancer.packets())}"

    def finish(self):
        for port, transfer in self.transfers.items():
            _, errors = transfer.communicate(timeout=60)
            expect(transfer.returncode == 0, f"transfer {port}: {errors.decode(errors='replace').strip()}")
        got = sums(self.folder / f"transfer-{port}" for port in self.transfers)
        expect(got == [self.wanted_sum] * TRANSFERS, "the sums differ")
        return f"{TRANSFERS} sums agree; last balancer: {served({}, self.balancers[1].packets())}"

    def take_out(self):
        self.balancers[1].ask("drain", backend="web/s0", state="down")
        status = self.origins[0].stop()
        expect(status == 0, f"the origin's exit status is {status}")
        for number in range(4):
            expect(self.curl(number).get("/")[0] == 200, "a page failed")
        return "s0 stopped; the next pages come from s1"

    def verdicts_add_up(self):
        balancer = self.balancers[1]
        def settled():
            received = balancer.tell("/viaduct/workers")["frames_received"]
            return received if received == sum(balancer.tell("/viaduct/verdicts").values()) else None
        return f"{wait_until(settled, 5, 'frames received and verdicts differ')} frames received, as many verdicts"

    def show(self, table):
        table.row("two balancers and two origins start", self.start)
        if not table.held():
            return
        table.row("pages through the balancers", self.pages)
        table.row("100 MB over IPv4, encrypted CIDs", lambda: self.big_file(0))
        table.row("100 MB over IPv6, encrypted CIDs", lambda: self.big_file(1))
        table.row("50 connections in parallel over IPv4", lambda: self.parallel(0))
        table.row("50 connections in parallel over IPv6", lambda: self.parallel(1))
        table.row("transfers begin", self.start_transfers)
        table.row("· the client's address and port change", self.move_client)
        table.row("· the CIDs' configuration is rotated", self.rotate)
        table.row("· the balancers are reloaded", self.reload)
        table.row("· one balancer of two is killed", self.kill_balancer)
        table.row("· a server is drained", self.drain)
        table.row("no transfer failed", self.finish)
        table.row("the drained server is taken out", self.take_out)
        table.row("every frame of the balancer has one verdict", self.verdicts_add_up)
        table.row("SIGTERM ends the balancer", self.end)

    def end(self):
        status = self.balancers[1].stop()
        expect(status == 0, f"exit status {status}")
        return "exit status 0"

    def logs(self):
        return "".join(f"--- {thing.log.name}:\n{thing.log.read_text(errors='replace')[-2000:]}\n"
                       for thing in (*self.balancers, *self.origins))

    def stop(self):
        self.farm.stop()
