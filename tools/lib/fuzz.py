"""Runs the fuzz targets of tests/fuzz."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from build import TOP

# How often the test command runs each: together about half a minute.
EXECUTIONS = {
    "endpoint": 2_000,  # the longest
    "packet_header": 300_000,
    "frames": 200_000,
    "transport_parameters": 100_000,
    "token": 20_000,
    "connection_id": 50_000,
    "mcphint": 200_000,
    "qpack": 30_000,
    "http3_server": 4_000,
}
# A little memory is kept from being used again: with AddressSanitizer's default, most of the time goes into fresh pages.
SANITIZERS = "detect_leaks=1:quarantine_size_mb=32"


def corpus(target):
    return TOP / "tests" / "fuzz" / "corpus" / target


def environment():
    # clang's own symbolizer comes with all of LLVM; binutils' knows the same lines.
    symbolizer = shutil.which("llvm-symbolizer") or shutil.which("addr2line")
    options = f"{SANITIZERS}:external_symbolizer_path={symbolizer}" if symbolizer else SANITIZERS
    return dict(os.environ, ASAN_OPTIONS=options, UBSAN_OPTIONS="print_stacktrace=1")


def command(folder, target, arguments, paths):
    program = folder / "tests" / "fuzz" / f"fuzz-{target}"
    return [str(program), "-timeout=20", "-rss_limit_mb=2048", *arguments, *map(str, paths)]


def report(text):
    """What was found, without the fuzzer's progress before it."""
    lines = text.splitlines()
    begins = re.compile(r"does not hold:|runtime error:|ERROR:|Failure$")
    first = next((i for i, line in enumerate(lines) if begins.search(line)), max(len(lines) - 20, 0))
    last = next((i for i in range(first, len(lines)) if lines[i].startswith("SUMMARY:")), len(lines) - 1)
    return "\n".join(lines[first:last + 1])[:6000]


def run_briefly(folder, target):
    """The same executions each time, from the committed corpus; (whether nothing was found, what it printed)."""
    # What the fuzzer learns goes into the first folder.
    with tempfile.TemporaryDirectory() as learnt, tempfile.TemporaryDirectory() as found:
        limits = ["-seed=1", f"-runs={EXECUTIONS[target]}", f"-artifact_prefix={found}/"]
        done = subprocess.run(command(folder, target, limits, [learnt, corpus(target)]), text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
        inputs = [f"input {path.name}: {path.read_bytes().hex()}" for path in sorted(Path(found).iterdir())]
    how = "its bytes in a file F, run with tests/fuzz/run --input F " + target
    return done.returncode == 0, "\n".join([report(done.stdout), *inputs, how])
