"""Runs the fuzz targets of tests/fuzz."""
import os
import subprocess
import tempfile
from pathlib import Path

from build import TOP

# How often the test command runs each: together about a minute.
EXECUTIONS = {
    "packet_header": 300_000,
    "frames": 200_000,
    "transport_parameters": 100_000,
    "token": 20_000,
    "connection_id": 50_000,
    "mcphint": 200_000,
    "qpack": 30_000,
    "http3_server": 4_000,
    "endpoint": 2_000,
}
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


def corpus(target):
    return TOP / "tests" / "fuzz" / "corpus" / target


def run(folder, target, arguments, corpora):
    """One target until its arguments end it; (whether nothing was found, what it printed)."""
    command = [str(folder / "tests" / "fuzz" / f"fuzz-{target}"), "-timeout=20", "-rss_limit_mb=2048", *arguments,
               *map(str, corpora)]
    done = subprocess.run(command, text=True, errors="replace", capture_output=True, env=dict(os.environ, **ENVIRONMENT))
    return done.returncode == 0, done.stdout + done.stderr


def run_briefly(folder, target):
    """The same executions each time, from the committed corpus."""
    with tempfile.TemporaryDirectory(prefix="viaduct-fuzz-") as found:
        limits = ["-seed=1", f"-runs={EXECUTIONS[target]}", f"-artifact_prefix={found}/"]
        good, text = run(folder, target, limits, [corpus(target)])
        inputs = [f"{path.name}: {path.read_bytes().hex()}" for path in sorted(Path(found).iterdir())]
    return good, "\n".join([text[-4000:], *inputs])
