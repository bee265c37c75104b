"""usage: perf/idle [--seconds N] [--probes N] [--json FILE]

Starts four viaduct-origin processes on af_packet, each at its own cable, leaves them alone for N seconds (default 30) and
prints what share of a core each used; then probes the first, each time after half a second of silence, with a packet of a
version that must be answered at once, and prints how long the answer took. Exit 1 where a process used more than 3 % of a
core or the median answer took more than 2 ms.
"""
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build import build
from origin import Origin
from topology import Pair

PROCESSES = 4
PROBE = f"""
import os, socket, statistics, sys, time
packet = bytes([0xc0]) + bytes.fromhex("1a2a3a4a") + bytes([8]) + os.urandom(8) + bytes([8]) + os.urandom(8)
packet += bytes(1200 - len(packet))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("{Pair.SERVER}", 443))
s.settimeout(2)
for _ in range(int(sys.argv[1]) + 1):
    time.sleep(0.5)
    started = time.perf_counter()
    s.send(packet)
    answer = s.recv(2048)
    assert answer[1:5] == bytes(4), "no Version Negotiation packet"
    print((time.perf_counter() - started) * 1000)
"""


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(folder, root):
    origins = []
    for number in range(PROCESSES):
        own = folder / str(number)
        own.mkdir()
        pair = Pair(dpdk=True)
        origin = Origin(build("release") / "apps/origin/viaduct-origin", pair.server, own, root, gateway4="", gateway6="",
                        ipv4=f"{pair.SERVER}/24", ipv6=f"{pair.SERVER6}/64")
        origins.append((pair, origin))
    for _, origin in origins:
        origin.wait_ready()
    return origins


def shares(origins, seconds):
    before = [cpu_seconds(origin.process) for _, origin in origins]
    time.sleep(seconds)
    return [(cpu_seconds(origin.process) - used) / seconds * 100 for used, (_, origin) in zip(before, origins)]


def answers(pair, probes):
    done = subprocess.run(pair.client.command("python3", "-c", PROBE, probes), text=True, capture_output=True, check=True)
    return [float(line) for line in done.stdout.split()][1:]  # the first resolves the neighbour


def options_of(arguments):
    options = {"--seconds": "30", "--probes": "21", "--json": None}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        if word not in options:
            sys.exit(f"perf/idle: unknown word '{word}' (see --help)")
        options[word] = next(words, None) or sys.exit(f"perf/idle: {word} needs a value")
    return int(options["--seconds"]), int(options["--probes"]), options["--json"]


def row(case, metric, unit, values):
    return {"suite": "idle", "case": case, "metric": metric, "unit": unit, "median": statistics.median(values),
            "min": min(values), "max": max(values), "runs": len(values), "reference": None, "ratio": None}


def main():
    seconds, probes, output = options_of(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="viaduct-idle-"))
    root = folder / "site"
    root.mkdir()
    (root / "index.html").write_text("idle")
    try:
        origins = start(folder, root)
        time.sleep(2)
        used = shares(origins, seconds)
        times = answers(origins[0][0], probes)
        for _, origin in origins:
            origin.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("CPU of each process: " + ", ".join(f"{share:.2f} %" for share in used) + " of a core")
    print(f"answer after silence: median {statistics.median(times):.3f} ms [{min(times):.3f} – {max(times):.3f}]")
    if output:
        rows = [row("processes=4", "share of a core", "%", used), row("answer after 0.5 s of silence", "time", "ms", times)]
        machine = {"cpu": platform.processor() or platform.machine(), "kernel": platform.release()}
        Path(output).write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    return 0 if max(used) < 3 and statistics.median(times) < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
