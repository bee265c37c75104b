"""usage: tools/soak [MINUTES]

Runs viaduct-origin (two workers) under garbage for MINUTES (default 10; 0.5 in tools/test): random bytes, truncated and
bit-flipped copies of real traffic, and as much again of wrong frames behind valid protection. Meanwhile pages are fetched.
Afterwards the origin must still serve, every received frame must be in a counter, pools must be back at their baseline and
memory flat. Then, for as long again, viaduct-lb under random, cut, changed, spoofed and repeated frames while a hundred
connections transfer through it. The last line is "N passed, N failed".

  --rate N   datagrams a second of each half, and frames a second for the balancer (default 10000)
  --only X   only the "origin" or the "balancer"
  --seed N   of the garbage (default: the time); printed, so that a failure can be repeated
  --help     this text
"""
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build import TOP, build
from curl import Curl
from hosts import wait_until
from origin import Origin
from soak_lb import BalancerSoak
from topology import Pair

QUIET = 'transport = { idle_timeout = "3s" }'
SETTLE_SECONDS = 30


def resident_mb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class Soak:
    def __init__(self, folder, seconds, rate, seed):
        self.folder, self.seconds, self.rate, self.seed = folder, seconds, rate, seed
        self.build = build("soak")
        self.root = folder / "site"
        shutil.copytree(TOP / "tools" / "site", self.root)
        self.pair = Pair(dpdk=True)
        self.origin = Origin(self.build / "apps/origin/viaduct-origin", self.pair.server, folder, self.root, workers=2,
                             ipv4=f"{self.pair.SERVER}/24", ipv6=f"{self.pair.SERVER6}/64", gateway4="", gateway6="",
                             extra=QUIET).wait_ready()
        self.curl = Curl(self.pair.client, folder / "certificate.pem", self.pair.SERVER)
        self.results = []

    def check(self, what, held, detail):
        self.results.append(held)
        print(f"  {'ok  ' if held else 'FAIL'}  {what:<48}  {detail}", flush=True)

    def page(self):
        status, _, body = self.curl.get("/index.html", "--max-time", "10")
        return status == 200 and body == (self.root / "index.html").read_bytes()

    def pools_used(self):
        return {name: value for name, value in self.origin.ask("/viaduct/pools").items() if name.endswith("used")}

    def attack(self):
        """Garbage for the time asked, with a page a second; (what was sent, pages fetched, pages tried)."""
        garbage = self.pair.client.start(self.build / "tests/soak/garbage", "--target", f"{self.pair.SERVER}:443",
                                         "--local", f"{self.pair.CLIENT}:0", "--seconds", int(self.seconds),
                                         "--rate", self.rate, "--seed", self.seed,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        fetched = tried = 0
        started = reported = time.monotonic()
        while garbage.poll() is None:
            tried += 1
            try:
                fetched += self.page()
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                print(f"  a page failed: {problem}", flush=True)
            if time.monotonic() - reported > 60:
                reported = time.monotonic()
                print(f"  … {reported - started:.0f} s of {self.seconds:.0f}, {resident_mb(self.origin.process):.0f} MB", flush=True)
            time.sleep(1)
        output, errors = garbage.communicate()
        if garbage.returncode != 0:
            raise RuntimeError(f"garbage: exit {garbage.returncode}: {errors}")
        return json.loads(output), fetched, tried

    def settled(self):
        """Counters at rest: (frames received, verdicts), or nothing while they differ or move."""
        received = int(self.origin.ask("/viaduct/workers")["frames_received"])
        ended = sum(int(count) for count in self.origin.ask("/viaduct/verdicts").values())
        return (received, ended) if received == ended else None

    def run(self):
        self.check("a page before", self.page(), "")
        time.sleep(5)  # until that connection is gone
        baseline = self.pools_used()
        sent, fetched, tried = self.attack()
        self.check("it took the garbage and did not stop", self.origin.process.poll() is None, json.dumps(sent))
        if self.origin.process.poll() is not None:
            return
        self.check("both halves are alike", min(sent["garbage"], sent["behind_protection"]) * 4 > max(
            sent["garbage"], sent["behind_protection"]), f"{sent['garbage']} and {sent['behind_protection']}")
        self.check("pages meanwhile", fetched == tried, f"{fetched} of {tried}")
        try:
            received, _ = wait_until(self.settled, SETTLE_SECONDS, "frames received and verdicts differ")
            self.check("every frame has one verdict", received > sent["garbage"] // 2, f"{received}")
        except RuntimeError as problem:
            self.check("every frame has one verdict", False, f"{problem}: {self.origin.ask('/viaduct/workers')}")
        try:
            wait_until(lambda: self.pools_used() == baseline, SETTLE_SECONDS, "pools are not back at their baseline")
            self.check("pools are back at their baseline", True, "")
        except RuntimeError as problem:
            self.check("pools are back at their baseline", False, f"{problem}: {baseline} … {self.pools_used()}")
        self.check("the next page", self.page(), "")
        self.flat_memory()
        self.check("SIGTERM drains and exits 0", (status := self.origin.stop()) == 0, f"exit status {status}")

    def flat_memory(self):
        """Another ten seconds of the same must not add to resident memory what the whole run did not need."""
        before = resident_mb(self.origin.process)
        self.seconds, self.seed = 10, self.seed + 1
        self.attack()
        after = resident_mb(self.origin.process)
        self.check("memory is flat", after - before < 8, f"{before:.1f} MB, {after:.1f} MB ten seconds later")


def parse(arguments):
    options = {"minutes": 10.0, "--rate": 10000, "--seed": int(time.time()), "--only": ""}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        try:
            if word == "--only":
                options[word] = {"origin": "origin", "balancer": "balancer"}[next(words)]
            elif word in options:
                options[word] = int(next(words))
            else:
                options["minutes"] = float(word)
        except (KeyError, StopIteration, ValueError):
            sys.exit(f"tools/soak: cannot read '{word}' (see --help)")
    return options


def soak_origin(folder, options, results):
    soak = None
    try:
        soak = Soak(folder, options["minutes"] * 60, options["--rate"], options["--seed"])
        soak.run()
    finally:
        if soak and not (soak.results and all(soak.results)):
            print(f"--- the origin's log:\n{soak.origin.log.read_text(errors='replace')[-3000:]}")
        if soak:
            soak.pair.stop()
    results += soak.results


def soak_balancer(folder, options, results):
    root = folder / "balanced-site"
    shutil.copytree(TOP / "tools" / "site", root)
    held = []

    def check(what, is_held, detail):
        held.append(is_held)
        print(f"  {'ok  ' if is_held else 'FAIL'}  {what:<52}  {detail}", flush=True)

    soak = BalancerSoak(folder, build("soak"), root, options["minutes"] * 60, options["--rate"], options["--seed"], check)
    try:
        soak.run()
    finally:
        if not (held and all(held)):
            print(f"--- the balancer's log:\n{soak.log()}")
        soak.stop()
    results += held


def main():
    options = parse(sys.argv[1:])
    print(f"soak: {options['minutes']:g} minutes, seed {options['--seed']}", flush=True)
    results = []
    for name, run in (("origin", soak_origin), ("balancer", soak_balancer)):
        if options["--only"] not in ("", name):
            continue
        folder = Path(tempfile.mkdtemp(prefix="viaduct-soak-"))
        try:
            run(folder, options, results)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
