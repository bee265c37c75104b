"""The suites of perf/bench that run whole programs."""
import json
import subprocess
import tempfile
from pathlib import Path

from beds import CLIENT_CPU, SERVER_CPU, Lane, Memif, Peer, start_origin
from hosts import end_process
from load import Load
from rows import row, show

PORT_STAGES = ("receive", "send")
WORK_STAGES = ("headers", "open", "frames", "commands", "tls", "timers", "events", "application", "build", "seal")


class Runner:
    """Runs cases in turns, so that whatever else the machine does meets all of them, and turns results into rows."""

    def __init__(self, binaries, site, turns, seconds):
        self.binaries, self.site, self.turns, self.seconds = binaries, site, turns, seconds
        self.rows = []

    def add(self, *arguments, **named):
        found = row(*arguments, **named)
        self.rows.append(found)
        show(found)

    def crypto(self, part, neighbour=True):
        """Nanoseconds of every case of a part of bench-crypto, on the server's core. The client's core does the same
        meanwhile, for it is busy in what this is compared with, and the two may be threads of one core."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            beside = self.start_crypto(CLIENT_CPU, "--turns", "1000", part) if neighbour else None
            try:
                if self.start_crypto(SERVER_CPU, "--turns", "10", "--json", file.name, part).wait() != 0:
                    raise RuntimeError(f"bench-crypto {part} failed")
            finally:
                if beside:
                    end_process(beside)
            found = json.loads(Path(file.name).read_text())["rows"]
        return {r["case"]: r["median"] for r in found if r["unit"] == "ns"}

    def start_crypto(self, cpu, *arguments):
        return subprocess.Popen(["taskset", "-c", str(cpu), str(self.binaries.crypto), *arguments],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def note_client(self, suite, case, results):
        shares = [r["client"]["busy_share"] for r in results]
        servers = [r["server"]["busy_share"] for r in results if r["server"]["busy_share"] is not None]
        limited = max(shares) > 0.95 and bool(servers) and min(servers) < 0.95
        self.add(suite, case, "client busy" + (" (it limited the run)" if limited else ""), "share", shares)
        if servers:
            self.add(suite, case, "server busy", "share", servers)

    def stages(self, suite, case, results, packets):
        """Cycles of each stage by packet."""
        for stage in (*PORT_STAGES[:1], *WORK_STAGES, *PORT_STAGES[1:]):
            values = [r["server"]["stages"][stage] / max(packets(r), 1) for r in results]
            self.add(suite, case, f"stage {stage}", "cycles/packet", values)

    def goodput(self, suite, case, results, direction, bare_ns, packets):
        key = f"{direction}_bytes"
        self.add(suite, case, "goodput of a busy core", "Gb/s", [r["content"][key] * 8 / 1e9 / r["server"]["busy_seconds"] for r in results])
        self.add(suite, case, "goodput", "Gb/s", [r["content"][f"{direction}_gbps"] for r in results])
        work = [sum(r["server"]["stages"][s] for s in WORK_STAGES) / packets(r) for r in results]
        whole = [r["server"]["stages"]["busy"] / packets(r) for r in results]
        cipher = [ns * r["server"]["hz"] / 1e9 for ns, r in zip(bare_ns, results)]
        self.add(suite, case, "bare cipher", "cycles/packet", cipher)
        for metric, values in (("work without the port", work), ("all", whole)):
            self.add(suite, case, metric, "cycles/packet", values, reference="bare cipher", ratios=[v / c for v, c in zip(values, cipher)])
        self.stages(suite, case, results, packets)
        self.note_client(suite, case, results)

    def turns_of(self, bed, cases, part=None):
        """Results of each case, with those of a part of bench-crypto in the same turn: {name: [(result, crypto), …]}."""
        collected = {name: [] for name in cases}
        for _ in range(self.turns):
            alone = self.crypto(part) if part else {}
            for name, (path, options) in cases.items():
                collected[name].append((bed.run(path, *options, seconds=self.seconds), alone))
        return collected


def bare_of(mtu):
    return f"seal/aes-128-gcm/{1452 if mtu == 1500 else 8952}/keys=32/bare"


def transfers(runner, suite, direction, cases_of, mtus):
    undisturbed = runner.crypto("seal", neighbour=False)
    for mtu, connections in mtus.items():
        runner.add(suite, f"memif/mtu={mtu}", "bare cipher beside an idle core", "ns", [undisturbed[bare_of(mtu)]])
        bed = Memif(runner.binaries, runner.site, mtu)
        try:
            cases = {f"memif/mtu={mtu}/connections={count}": cases_of(count) for count in connections}
            for case, found in runner.turns_of(bed, cases, part="seal").items():
                results = [result for result, _ in found]
                bare = [alone[bare_of(mtu)] for _, alone in found]
                packets = (lambda r: r["server"]["packets_built"]) if direction == "down" else (lambda r: r["server"]["packets_received"])
                runner.goodput(suite, case, results, direction, bare, packets)
        finally:
            bed.stop()


def download(runner):
    transfers(runner, "download", "down", lambda count: ("/1GB.bin", ("--connections", count)),
              {1500: (1, 32, 128, 512, 2048), 9000: (1, 32)})


def upload(runner):
    transfers(runner, "upload", "up", lambda count: ("/upload", ("--connections", count, "--upload", "4MB")), {1500: (1, 32), 9000: (1, 32)})


def per_request(runner, suite, case, results):
    runner.add(suite, case, "requests of a busy core", "1/s", [r["requests"]["done"] / r["server"]["busy_seconds"] for r in results])
    runner.add(suite, case, "requests", "1/s", [r["requests"]["per_second"] for r in results])
    runner.note_client(suite, case, results)


def requests(runner):
    bed = Memif(runner.binaries, runner.site)
    try:
        cases = {f"memif/1KB/connections=32/in-flight={m}": ("/1KB.bin", ("--connections", 32, "--in-flight", m)) for m in (64, 1)}
        for case, found in runner.turns_of(bed, cases).items():
            results = [result for result, _ in found]
            per_request(runner, "requests", case, results)
            runner.stages("requests", case, results, lambda r: r["requests"]["done"])
    finally:
        bed.stop()


def latency(runner):
    bed = Memif(runner.binaries, runner.site)
    try:
        full = bed.run("/1KB.bin", "--connections", 32, "--in-flight", 64, seconds=runner.seconds)
        rate = full["requests"]["done"] / full["server"]["busy_seconds"] / 10
        case = "memif/1KB/a tenth of the rate of requests"
        results = [bed.run("/1KB.bin", "--connections", 32, "--in-flight", 64, "--rate", rate, seconds=runner.seconds)
                   for _ in range(runner.turns)]
        runner.add("latency", case, "rate", "1/s", [r["requests"]["per_second"] for r in results])
        for name in ("p50", "p90", "p99", "p99.9", "p99.99", "max"):
            runner.add("latency", case, name, "µs", [r["latency_us"][name] for r in results])
        runner.note_client("latency", case, results)
    finally:
        bed.stop()


def handshakes(runner):
    """Connections with one request each, so that the server sees every handshake to its end."""
    bed = Memif(runner.binaries, runner.site, connections=65536)
    try:
        ask = ("--handshakes", "--connections", 64, "--requests-per-connection", 1, "--groups", "X25519")
        cases = {"memif/full": ("/1KB.bin", ask), "memif/resumed": ("/1KB.bin", (*ask, "--resume"))}
        for case, found in runner.turns_of(bed, cases, part="handshakes").items():
            results = [result for result, _ in found]
            rates = [r["handshakes"]["done"] / r["server"]["busy_seconds"] for r in results]
            tls = [1e9 / alone[f"handshake/ecdsa-p256/X25519/{case.removeprefix('memif/')}/viaduct"] for _, alone in found]
            runner.add("handshakes", case, "TLS interface alone", "1/s", tls)
            runner.add("handshakes", case, "handshakes of a busy core", "1/s", rates, reference="TLS interface alone",
                       ratios=[a / b for a, b in zip(rates, tls)])
            runner.add("handshakes", case, "handshakes", "1/s", [r["handshakes"]["per_second"] for r in results])
            runner.add("handshakes", case, "resumed", "share",
                       [r["quic"]["handshakes_resumed"] / max(r["handshakes"]["in_all"], 1) for r in results])
            runner.stages("handshakes", case, results, lambda r: r["handshakes"]["done"])
            runner.note_client("handshakes", case, results)
    finally:
        bed.stop()


def micro(runner):
    """Cycles of each stage: for a packet that is sent, a packet that is received, and a request."""
    bed = Memif(runner.binaries, runner.site)
    try:
        cases = {"sent packet": ("/1GB.bin", ("--connections", 1)), "received packet": ("/upload", ("--connections", 1, "--upload", "4MB")),
                 "request": ("/1KB.bin", ("--connections", 32, "--in-flight", 64))}
        counts = {"sent packet": lambda r: r["server"]["packets_built"], "received packet": lambda r: r["server"]["packets_received"],
                  "request": lambda r: r["requests"]["done"]}
        for case, found in runner.turns_of(bed, cases).items():
            runner.stages("micro", case, [result for result, _ in found], counts[case])
    finally:
        bed.stop()


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


def idle(runner, count=100_000):
    """What idle connections take, and what a worker with many of them does, in turns with one that has none."""
    with_none, with_many, memory = [], [], []
    bed = Memif(runner.binaries, runner.site, connections=131072)
    try:
        ask = ("--connections", 32, "--in-flight", 64)
        for _ in range(runner.turns):
            with_none.append(bed.run("/1KB.bin", *ask, seconds=runner.seconds))
        before = resident(bed.process.pid)
        for _ in range(min(runner.turns, 3)):
            with_many.append(bed.run("/1KB.bin", *ask, "--hold", count, "--opening", 256, seconds=runner.seconds, patience=600))
            if not memory:
                memory.append((resident(bed.process.pid) - before) / count)
    finally:
        bed.stop()
    rate = lambda r: r["requests"]["done"] / r["server"]["busy_seconds"]
    none, many = [rate(r) for r in with_none], [rate(r) for r in with_many]
    runner.add("idle", "memif/requests/idle=0", "requests of a busy core", "1/s", none)
    runner.add("idle", f"memif/requests/idle={count}", "requests of a busy core", "1/s", many, reference="idle=0",
               ratios=[a / b for a, b in zip(many, none)])
    runner.add("idle", f"memif/idle={count}", "resident memory of a connection", "bytes", memory)


def loop(runner):
    """Rounds of the worker that find nothing."""
    bed = Memif(runner.binaries, runner.site)
    try:
        results = [bed.run("/1KB.bin", "--idle", "--connections", 1, seconds=runner.seconds) for _ in range(runner.turns)]
        runner.note_client("loop", "memif/empty", results)
        runner.stages("loop", "memif/empty", results, lambda r: 1)
    finally:
        bed.stop()


def veth(runner):
    """The same client against viaduct-origin and the peers, with segmentation offload and without."""
    load = lambda lane: Load(runner.binaries.load, CLIENT_CPU, "af_packet:eth0", f"{Lane.CLIENT}/24", host=lane.client,
                             extra=("--gateway", "198.18.3.254"))
    url = f"https://{Lane.SERVER}"
    downloads = {"download/connections=1": ("/1GB.bin", ("--connections", 1)), "download/connections=32": ("/1GB.bin", ("--connections", 32))}
    asks = {"requests/in-flight=64": ("/1KB.bin", ("--connections", 32, "--in-flight", 64)),
            "requests/in-flight=1": ("/1KB.bin", ("--connections", 32, "--in-flight", 1))}
    for offload in (False, True):
        found = {}
        for _ in range(runner.turns):
            for name in ("viaduct", "nginx", "caddy", "haproxy"):
                lane, server = Lane(offload), None
                try:
                    if name == "viaduct":
                        process, meter = start_origin(runner.binaries, runner.site, "veth", "af_packet", "eth0",
                                                      port='gateways = ["198.18.2.254"]', host=lane.server)
                    else:
                        server = Peer(name, lane, runner.site)
                        meter = server.meter
                    # HAProxy answers out of its configuration; a file of 1 GB is more than it takes there.
                    for case, (path, options) in {**({} if name == "haproxy" else downloads), **asks}.items():
                        result = load(lane).run(meter, url + path, *options, seconds=runner.seconds)
                        found.setdefault((case, name), []).append(result)
                finally:
                    if server:
                        server.stop()
                    lane.stop()
        label = "offload" if offload else "no offload"
        for (case, name), results in sorted(found.items()):
            whole = f"veth/{label}/{case}/{name}"
            best = {"viaduct": None}.get(name, "viaduct")
            if case.startswith("download"):
                rate = lambda rs: [r["content"]["down_bytes"] * 8 / 1e9 / r["server"]["busy_seconds"] for r in rs]
                metric, unit, wall = "goodput of a busy core", "Gb/s", [r["content"]["down_gbps"] for r in results]
            else:
                rate = lambda rs: [r["requests"]["done"] / r["server"]["busy_seconds"] for r in rs]
                metric, unit, wall = "requests of a busy core", "1/s", [r["requests"]["per_second"] for r in results]
            ours = rate(found[(case, "viaduct")])
            runner.add("veth", whole, metric, unit, rate(results), reference=best,
                       ratios=[a / b for a, b in zip(rate(results), ours)] if best else None)
            runner.add("veth", whole, "wall " + metric.split(" of")[0], unit, wall)
            runner.note_client("veth", whole, results)


SUITES = {"download": download, "upload": upload, "requests": requests, "latency": latency, "handshakes": handshakes,
          "micro": micro, "idle": idle, "loop": loop, "veth": veth}
