"""Runs the suites of perf/bench that need whole programs."""
import argparse
import sys

from beds import Binaries, Site
from rows import version_of, write
from suites import SUITES, Runner


def main():
    parser = argparse.ArgumentParser(prog="perf/bench")
    parser.add_argument("suite", choices=[*SUITES, "all"])
    parser.add_argument("--json")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    site = Site()
    runner = Runner(Binaries(), site, options.turns, options.seconds)
    try:
        for name, suite in SUITES.items():
            if options.suite in (name, "all"):
                suite(runner)
    finally:
        site.remove()
        if options.json and runner.rows:
            write(options.json, runner.rows, nginx=version_of("nginx", "-v"), haproxy=version_of("haproxy", "-v"),
                  caddy=version_of("caddy", "version"), openssl=version_of("openssl", "version"),
                  note="rates are per second of busy server core (peers: of CPU time)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
