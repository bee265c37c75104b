"""usage: tests/interop/run [--json FILE] [--only PATTERN]... [--list]

Runs our server and our client, on DPDK at the end of virtual cables, against QUIC that others wrote: as server with curl
(OpenSSL), aioquic, Chromium and kdig (ngtcp2); as client with nginx, Caddy (quic-go), HAProxy and aioquic. A cell of the
matrix is one peer and one case; it passes, fails, or is marked with the reason why the peer cannot do it. Exits 0 if no
cell failed; the last line is "N passed, N failed, …".

  --json FILE     write the matrix as JSON
  --only PATTERN  only cells whose name (role/peer/case) has the pattern in it; may be repeated
  --list          print the cells' names and exit
  --lanes N       so many environments at a time (default 2)
  --help          this text
"""
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools" / "lib")]

import matrix  # noqa: E402
from build import build  # noqa: E402
from client_cells import client_environments  # noqa: E402
from server_cells import server_environments  # noqa: E402


def parse(arguments):
    options = {"json": None, "only": [], "lanes": 2, "list": False}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        elif word == "--list":
            options["list"] = True
        elif word in ("--json", "--only", "--lanes"):
            value = next(words, None) or sys.exit(f"tests/interop/run: {word} needs a value")
            if word == "--only":
                options["only"].append(value)
            else:
                options[word[2:]] = value
        else:
            sys.exit(f"tests/interop/run: unknown word '{word}' (see --help)")
    try:
        options["lanes"] = max(1, int(options["lanes"]))
    except ValueError:
        sys.exit("tests/interop/run: --lanes needs a number")
    return options


def run_environment(environment):
    """Its cells, one after the other, from its start to its stop."""
    try:
        environment.start()
    except Exception as problem:  # the cells say why they could not run
        text = f"{environment.name} does not start: {problem}"
        for cell in environment.cells:
            cell.status, cell.detail = matrix.FAILED, text
            show(cell)
    else:
        for cell in environment.cells:
            cell.run(environment)
            show(cell)
    finally:
        environment.stop()


def show(cell):
    print(f"  {matrix.SIGNS[cell.status]:<7}  {cell.name:<36}  {cell.seconds:5.1f} s  {last_line(cell.detail)}", flush=True)


def last_line(text):
    lines = text.strip().splitlines() or [""]
    return lines[-1][:160]


def summary(cells, seconds):
    print()
    for role in ("server", "client"):
        if any(cell.role == role for cell in cells):
            print("\n".join(matrix.table(cells, role)) + "\n")
    for status, title in ((matrix.IMPOSSIBLE, "what the peer cannot do"), (matrix.FAILED, "failed")):
        lines = matrix.reasons(cells, status)
        if lines:
            print(title + ":\n" + "\n".join(lines) + "\n")
    counts = [f"{sum(cell.status == status for cell in cells)} {status}"
              for status in (matrix.PASSED, matrix.FAILED, matrix.IMPOSSIBLE)]
    print(f"interop took {seconds:.0f} s")
    print(", ".join(counts))


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, interrupt)
    started = time.monotonic()
    environments = [*server_environments(), *client_environments()]
    for environment in environments:
        environment.cells = matrix.wanted(environment.cells, options["only"])
    environments = [environment for environment in environments if environment.cells]
    cells = [cell for environment in environments for cell in environment.cells]
    if options["list"] or not cells:
        print("\n".join(cell.name for cell in cells))
        return 0 if cells else sys.exit("tests/interop/run: no cell has such a name (see --list)")
    if "VIADUCT_BUILD" not in os.environ:
        build("interop")
    with ThreadPoolExecutor(options["lanes"]) as lanes:
        list(lanes.map(run_environment, environments))
    summary(cells, time.monotonic() - started)
    if options["json"]:
        matrix.write(cells, options["json"])
    return 1 if any(cell.status == matrix.FAILED for cell in cells) else 0


if __name__ == "__main__":
    sys.exit(main())
