"""usage: tests/fuzz/run MINUTES [TARGET]...
       tests/fuzz/run --input FILE TARGET

Fuzzes each target (default: all) for MINUTES, with clang's libFuzzer and sanitizers, or until it found something. What
it learns is kept in build/fuzz/corpus and goes on from there next time; an input that breaks something is kept in
build/fuzz/found, and the last lines say how to run it again. Ctrl-C ends it early, with the same last lines.
Exits with 1 where something was found.

options:
  --input FILE   run the target on this input alone
  --jobs N       targets at a time (default: 1)
  --help         this text

targets: """
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools" / "lib"))
import fuzz  # noqa: E402
from build import build  # noqa: E402


class Campaign:
    """Runs of targets, each a process of its own, until all are over or somebody asks them to end."""

    def __init__(self, folder, minutes):
        self.folder = folder
        self.seconds = max(int(minutes * 60), 1)
        self.lock = threading.Lock()
        self.running = set()
        self.is_stopping = False
        self.findings = []  # (target, input or None)

    def stop(self, *_):
        self.is_stopping = True
        for process in list(self.running):
            process.send_signal(signal.SIGINT)

    def start(self, command):
        """In a session of its own, so that Ctrl-C reaches it by stop() alone; None where it is too late."""
        with self.lock:
            if self.is_stopping:
                return None
            process = subprocess.Popen(command, text=True, errors="replace", stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, env=fuzz.environment(), start_new_session=True)
            self.running.add(process)
            return process

    def fuzz(self, target):
        learnt, found = (self.folder / kind / target for kind in ("corpus", "found"))
        for path in (learnt, found):
            path.mkdir(parents=True, exist_ok=True)
        before = set(found.iterdir())
        limits = [f"-max_total_time={self.seconds}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
        process = self.start(fuzz.command(self.folder, target, limits, [learnt, fuzz.corpus(target)]))
        if not process:
            return
        text = process.communicate()[0]
        self.running.discard(process)
        # libFuzzer's own status for an end that was asked for is 72.
        good = process.returncode in (0, 72) or (self.is_stopping and process.returncode == -signal.SIGINT)
        print(f"{target}: {figures(text)}, {'nothing found' if good else 'FAILED'}", flush=True)
        if not good:
            print(fuzz.report(text), flush=True)
            inputs = sorted(set(found.iterdir()) - before)
            self.findings.extend((target, path) for path in inputs or [None])

    def summary(self):
        if self.is_stopping:
            print("ended early")
        print(f"{len(self.findings)} found" + (", run again by:" if self.findings else ""))
        for target, path in self.findings:
            print(f"  tests/fuzz/run --input {path.relative_to(TOP)} {target}" if path
                  else f"  tests/fuzz/run 1 {target}  (it left no input)")
        return 1 if self.findings else 0


def figures(text):
    executions = re.search(r"stat::number_of_executed_units: (\d+)", text)
    added = re.search(r"stat::new_units_added: *(\d+)", text)
    coverage = re.findall(r" cov: (\d+)", text)
    return (f"{int(executions[1]) if executions else 0:,} executions, {coverage[-1] if coverage else 0} edges covered, "
            f"{added[1] if added else 0} inputs learnt")


def run_input(folder, target, path):
    done = subprocess.run(fuzz.command(folder, target, ["-runs=1"], [path]), text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=fuzz.environment())
    print(f"{target}: nothing found" if done.returncode == 0 else fuzz.report(done.stdout))
    return 1 if done.returncode else 0


def parse(arguments):
    options = {"minutes": None, "jobs": 1, "input": None, "targets": []}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__ + ", ".join(fuzz.EXECUTIONS))
            sys.exit(0)
        if word in ("--jobs", "--input"):
            options[word[2:]] = next(words, "")
        elif options["minutes"] is None and re.fullmatch(r"\d+(\.\d+)?", word):
            options["minutes"] = float(word)
        elif word in fuzz.EXECUTIONS:
            options["targets"].append(word)
        else:
            sys.exit(f"tests/fuzz/run: unknown word '{word}'; targets: {', '.join(fuzz.EXECUTIONS)} (see --help)")
    if not re.fullmatch(r"[1-9]\d*", str(options["jobs"])):
        sys.exit("tests/fuzz/run: --jobs needs a number, 1 or more (see --help)")
    if options["input"] is not None:
        if not Path(options["input"]).is_file() or len(options["targets"]) != 1:
            sys.exit("tests/fuzz/run: --input needs a file and one target (see --help)")
    elif options["minutes"] is None:
        sys.exit("tests/fuzz/run: for how many minutes? (see --help)")
    return options


def main():
    options = parse(sys.argv[1:])
    folder = build("fuzz")
    if options["input"] is not None:
        return run_input(folder, options["targets"][0], options["input"])
    campaign = Campaign(folder, options["minutes"])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, campaign.stop)
    with ThreadPoolExecutor(int(options["jobs"])) as pool:
        list(pool.map(campaign.fuzz, options["targets"] or fuzz.EXECUTIONS))
    return campaign.summary()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # while it builds
        sys.exit(130)
