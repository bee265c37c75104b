"""Runs a suite of perf/bench that is a program of its own: loops around crypto-offload, or around the balancer."""
import os
import sys
from pathlib import Path

from build import build


def main():
    suite, arguments = sys.argv[1], sys.argv[2:]
    folder = Path(os.environ["VIADUCT_BUILD"]) if "VIADUCT_BUILD" in os.environ else build("perf")
    program = folder / "perf" / suite / f"bench-{suite}"
    os.execv(program, [str(program), *arguments])


if __name__ == "__main__":
    main()
