"""usage: tools/test [options] [STAGE]...

Builds the project and passes its tests; the last line is "N passed, N failed". Stages, in their order (all by default):

  lint         formatting, floors, citations of RFCs, clang-tidy on changed files
  unit         every floor's tests
  simulation   endpoints over a seeded network in virtual time
  fuzz         each fuzz target for a fixed number of executions, under clang's sanitizers
  verdicts     no verdict that no test provoked
  end-to-end   the programs over DPDK ports, in network namespaces (root)
  soak         30 seconds of each long test
  interop      server and client against other people's QUIC (installs them; root)
  balanced     the balancer before other people's servers and behind other people's routing (installs them; root)

options:
  --sanitize   unit and simulation again under AddressSanitizer and UndefinedBehaviorSanitizer, and end-to-end what
               makes workers hand connections' packets to each other
  --tidy-all   clang-tidy on every file
  --match RE   only the tests of unit, simulation and end-to-end whose name matches
  --help       this text
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fuzz
import lint
from build import TOP, build

# The end-to-end tests that are also run with sanitizers.
SANITIZED_END_TO_END = "TwoWorkersUnderLoad"
STAGES = ["lint", "unit", "simulation", "fuzz", "verdicts", "end-to-end", "soak", "interop", "balanced"]


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, stage, passed, failures, seconds):
        for name, text in failures:
            print(f"FAILED {stage}: {name}\n{text}\n", flush=True)
        self.passed += passed
        self.failed += len(failures)
        print(f"{stage}: {passed} passed, {len(failures)} failed in {seconds:.0f} s", flush=True)


def run_lint(options, tally):
    started = time.monotonic()
    count, failures = lint.whole_tree()
    files = [path for path in lint.sources() if path.endswith(".cc")] if options["tidy_all"] else lint.changed()
    tidied, tidy_failures = lint.tidy(options["folder"], files)
    failures += tidy_failures
    tally.add("lint", count + tidied - len(failures), failures, time.monotonic() - started)


def gtest_results(folder):
    """(passed, failures) from the XML reports that GoogleTest wrote."""
    passed, failures = 0, []
    for report in folder.glob("*.xml"):
        for case in xml.parse(report).iter("testcase"):
            problems = case.findall("failure")
            if problems:
                text = "\n".join(problem.get("message", "") for problem in problems)
                failures.append((f"{case.get('classname')}.{case.get('name')}", text))
            elif case.get("status") == "run":
                passed += 1
    return passed, failures


def run_meson(options, tally, suite, variant_folder, label):
    started = time.monotonic()
    reports = Path(tempfile.mkdtemp(prefix="viaduct-reports-"))
    environment = dict(os.environ, GTEST_OUTPUT=f"xml:{reports}/", VIADUCT_VERDICT_MARKS=str(options["marks"]),
                       UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    if options["match"]:
        environment["GTEST_FILTER"] = f"*{options['match']}*"
    done = subprocess.run(["meson", "test", "-C", str(variant_folder), "--no-rebuild", "--suite", suite,
                           "--print-errorlogs", "--timeout-multiplier", "4" if "sanitize" in label else "2"],
                          cwd=TOP, env=environment, text=True, capture_output=True)
    passed, failures = gtest_results(reports)
    shutil.rmtree(reports)
    # A program that failed without a failed case: it crashed, ran too long or is no GoogleTest.
    broken = [line for line in done.stdout.splitlines() if re.search(r"\b(FAIL|TIMEOUT|ERROR)\b.*exit|killed by|TIMEOUT", line)]
    if done.returncode != 0 and len(broken) > 0 or done.returncode != 0 and not failures:
        failures.append((f"programs of {suite}", "\n".join(broken + done.stdout.splitlines()[-60:])))
    tally.add(label, passed, failures, time.monotonic() - started)


def run_fuzz(_, tally):
    started = time.monotonic()
    try:
        folder = build("fuzz")
    except SystemExit as failed:
        tally.add("fuzz", 0, [("the build", str(failed))], time.monotonic() - started)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda target: (target, fuzz.run_briefly(folder, target)), fuzz.EXECUTIONS)
        failures = [(target, text) for target, (good, text) in results if not good]
    tally.add("fuzz", len(fuzz.EXECUTIONS) - len(failures), failures, time.monotonic() - started)


def run_verdicts(options, tally):
    """Each verdict that a module lists must have been provoked by a test of this run."""
    started = time.monotonic()
    listing = "".join(subprocess.run([str(options["folder"] / program), "--list-verdicts"],
                                     text=True, capture_output=True, check=True).stdout
                      for program in ("apps/origin/viaduct-origin", "apps/lb/viaduct-lb"))
    provoked = {line for path in options["marks"].iterdir() for line in path.read_text().split()}
    known = [line.split("\t") for line in dict.fromkeys(listing.splitlines())]
    failures = [(f"verdict {fields[1]}", "no test provoked it") for fields in known if fields[0] not in provoked]
    tally.add("verdicts", len(known) - len(failures), failures, time.monotonic() - started)


class Printer(unittest.TextTestResult):
    """Prints each test with its time, and remembers what failed."""

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"  {test.id()}: {time.monotonic() - self.begun:.1f} s", flush=True)


def run_end_to_end(options, tally):
    started = time.monotonic()
    os.environ["VIADUCT_BUILD"] = str(options["folder"])
    sys.path.insert(0, str(TOP / "tests" / "end-to-end"))
    loader = unittest.TestLoader()
    match = options["match"] or (SANITIZED_END_TO_END if options["sanitize"] else "")
    if match:
        loader.testNamePatterns = [f"*{match}*"]
    suite = loader.discover(str(TOP / "tests" / "end-to-end"), pattern="test_*.py")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        result = unittest.TextTestRunner(stream=nowhere, resultclass=Printer, verbosity=0).run(suite)
    failures = [(test.id(), text) for test, text in result.failures + result.errors]
    tally.add("end-to-end", result.testsRun - len(failures), failures, time.monotonic() - started)


def run_soak(options, tally):
    started = time.monotonic()
    done = subprocess.run([str(TOP / "tools/soak"), "0.5"], text=True, capture_output=True)
    lines = done.stdout.splitlines()
    match = re.search(r"(\d+) passed, (\d+) failed", lines[-1] if lines else "")
    failures = [] if done.returncode == 0 else [("soak", (done.stdout + done.stderr)[-4000:])]
    tally.add("soak", int(match[1]) if match else 0, failures, time.monotonic() - started)


def run_interop(options, tally):
    """The matrix of tests/interop/run; a cell that the peer cannot do is neither passed nor failed."""
    started = time.monotonic()
    report = options["marks"].with_suffix(".json")
    environment = dict(os.environ, VIADUCT_BUILD=str(options["folder"]))
    done = subprocess.run([str(TOP / "tests/interop/run"), "--json", str(report)], text=True, capture_output=True,
                          env=environment)
    if not report.exists():
        tally.add("interop", 0, [("interop", (done.stdout + done.stderr)[-4000:])], time.monotonic() - started)
        return
    cells = json.loads(report.read_text())["cells"]
    report.unlink()
    print(done.stdout.split("\n\n", 1)[-1])
    failures = [("/".join((cell["role"], cell["peer"], cell["case"])), cell["detail"]) for cell in cells if cell["status"] == "failed"]
    tally.add("interop", sum(cell["status"] == "passed" for cell in cells), failures, time.monotonic() - started)


def run_balanced(options, tally):
    """The balancer among programs that others wrote."""
    started = time.monotonic()
    environment = dict(os.environ, VIADUCT_BUILD=str(options["folder"]))
    done = subprocess.run([str(TOP / "tests/interop/run-balanced")], text=True, capture_output=True, env=environment)
    match = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
    failures = [] if done.returncode == 0 and match else [("balanced", (done.stdout + done.stderr)[-4000:])]
    tally.add("balanced", int(match[1]) if match else 0, failures, time.monotonic() - started)


def parse(arguments):
    options = {"stages": [], "sanitize": False, "tidy_all": False, "match": ""}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        if word == "--sanitize":
            options["sanitize"] = True
        elif word == "--tidy-all":
            options["tidy_all"] = True
        elif word == "--match":
            options["match"] = next(words, "")
        elif word in STAGES:
            options["stages"].append(word)
        else:
            sys.exit(f"tools/test: unknown word '{word}'; stages: {', '.join(STAGES)} (see --help)")
    if not options["stages"]:
        options["stages"] = ["unit", "simulation", "end-to-end"] if options["sanitize"] else list(STAGES)
    if "verdicts" in options["stages"] and not {"unit", "simulation"} <= set(options["stages"]):
        sys.exit("tools/test: the stage verdicts needs unit and simulation in the same run")
    return options


def main():
    options = parse(sys.argv[1:])
    tally = Tally()
    variant = "sanitize" if options["sanitize"] else "test"
    options["folder"] = build(variant)
    options["marks"] = Path(tempfile.mkdtemp(prefix="viaduct-marks-"))
    label = " (sanitize)" if options["sanitize"] else ""
    try:
        for stage in STAGES:
            if stage not in options["stages"]:
                continue
            if stage in ("unit", "simulation"):
                run_meson(options, tally, stage, options["folder"], stage + label)
            else:
                {"lint": run_lint, "fuzz": run_fuzz, "verdicts": run_verdicts, "end-to-end": run_end_to_end,
                 "soak": run_soak, "interop": run_interop, "balanced": run_balanced}[stage](options, tally)
    finally:
        shutil.rmtree(options["marks"])
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
