"""usage: tools/demo [--once] [--json FILE]

Builds Viaduct, makes hosts in network namespaces of its own and fetches with curl over HTTP/3: from viaduct-origin on
DPDK at the end of a virtual cable, and then through two viaduct-lb from two origins, while clients move, a balancer dies
and a server is drained. Prints a line for each thing tried, then keeps serving until Ctrl-C.

  --once       end after the table; exit 0 only if every line held
  --json FILE  write the table as JSON
  --help       this text
"""
import hashlib
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from build import TOP, build
from curl import Curl
from demo_lb import BalancedDemo
from hosts import Hugepages, wait_until
from origin import Origin
from table import Table
from topology import Line

BIG = 100 * 1000 * 1000
LOCAL_PORT, NEW_PORT = 20000, 20001


def make_site(folder):
    """The demo site and a big file of bytes that a compressor would not like; sums by path."""
    root = folder / "site"
    shutil.copytree(TOP / "tools" / "site", root)
    block = b"".join(hashlib.sha256(bytes([i & 255, i >> 8])).digest() for i in range(1 << 15))
    with open(root / "100MB.bin", "wb") as file:
        for start in range(0, BIG, len(block)):
            file.write(block[:min(len(block), BIG - start)])
    return root


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_sum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expect(condition, text):
    if not condition:
        raise RuntimeError(text)


class Demo:
    def __init__(self, folder, hugepages):
        self.folder = folder
        self.root = make_site(folder)
        self.big_sum = file_sum(self.root / "100MB.bin")
        self.line = Line()
        self.origin = Origin(self.binary(), self.line.origin, folder, self.root, hugepages=hugepages)

    def binary(self):
        return TOP / "build/release/apps/origin/viaduct-origin"

    def curl(self, address=Line.ORIGIN):
        return Curl(self.line.client, self.folder / "certificate.pem", address)

    def pages(self):
        names = sorted(path.name for path in (TOP / "tools" / "site").iterdir())
        for name in names:
            status, headers, body = self.curl().get("/" + name)
            expect(status == 200, f"/{name}: status {status}")
            expect(body == (self.root / name).read_bytes(), f"/{name}: {len(body)} bytes that differ from the file's")
            expect(headers.get("content-length") == str(len(body)), f"/{name}: content-length {headers.get('content-length')}")
        status, headers, _ = self.curl().get("/")
        expect(status == 200 and headers["content-type"].startswith("text/html"), f"/: {status} {headers}")
        return f"{len(names)} files and the index, byte for byte"

    def big_file(self, address):
        out = self.folder / "got.bin"
        seconds = float(self.curl(address).raw("/100MB.bin", "-o", out, "-w", "%{time_total}").stdout)
        expect(file_sum(out) == self.big_sum, "the sums differ")
        return f"sums agree, {seconds:.2f} s, {BIG * 8 / seconds / 1e9:.2f} Gb/s"

    def range_request(self):
        status, headers, body = self.curl().get("/100MB.bin", "--range", "50000000-50000999")
        expect(status == 206, f"status {status}")
        expect(headers["content-range"] == f"bytes 50000000-50000999/{BIG}", headers.get("content-range"))
        with open(self.root / "100MB.bin", "rb") as file:
            file.seek(50000000)
            expect(body == file.read(1000), "the bytes differ")
        return headers["content-range"]

    def parallel(self):
        parallel_dir = self.folder / "parallel"
        parallel_dir.mkdir(exist_ok=True)
        names = [path.name for path in sorted((TOP / "tools" / "site").iterdir())]
        wanted = [names[i % len(names)] for i in range(50)]
        options = ["--parallel", "--parallel-max", "50"]
        curl = self.curl()
        command = [*curl.base, *options]
        for i, name in enumerate(wanted):
            command += ["-o", str(parallel_dir / str(i)), f"{curl.origin}/{name}"]
        self.line.client.run(*command)
        for i, name in enumerate(wanted):
            expect((parallel_dir / str(i)).read_bytes() == (self.root / name).read_bytes(), f"answer {i} ({name}) differs")
        return "50 answers, byte for byte"

    def rebinding(self):
        out = self.folder / "rebound.bin"
        before = self.path_changes()
        transfer = self.curl().start("/100MB.bin", "-o", out, "--limit-rate", "18M", "--local-port", LOCAL_PORT)
        time.sleep(2)
        expect(transfer.poll() is None, "the transfer was over before the port changed")
        self.line.rewrite_source_port(LOCAL_PORT, NEW_PORT)
        started = time.monotonic()
        _, errors = transfer.communicate(timeout=60)
        expect(transfer.returncode == 0, f"curl: {errors.decode().strip()}")
        expect(file_sum(out) == self.big_sum, "the sums differ")
        changes = self.path_changes() - before
        expect(changes >= 1, "the origin counted no change of path")
        return f"port {LOCAL_PORT} → {NEW_PORT} after 2 s; sums agree {time.monotonic() - started:.1f} s later; {changes} counted"

    def path_changes(self):
        return int(self.origin.ask("/viaduct/connections")["path_changes"])

    def verdicts_add_up(self):
        def settled():
            workers = self.origin.ask("/viaduct/workers")
            received = int(workers["frames_received"])
            ended = sum(int(count) for count in self.origin.ask("/viaduct/verdicts").values())
            return (received, ended) if received == ended else None
        received, _ = wait_until(settled, 5, "frames received and verdicts differ")
        return f"{received} frames received, {received} verdicts"

    def show(self, table):
        table.row("pages, styles and pictures over IPv4", self.pages)
        table.row("100 MB over IPv4", lambda: self.big_file(Line.ORIGIN))
        table.row("100 MB over IPv6", lambda: self.big_file(Line.ORIGIN6))
        table.row("a range of it", self.range_request)
        table.row("50 requests in parallel", self.parallel)
        table.row("the client's port changes during a transfer", self.rebinding)
        table.row("every frame has one verdict", self.verdicts_add_up)

    def hints(self):
        client, origin = self.line.client.enter_hint(), self.line.origin.enter_hint()
        return f"""
Look further (as root, while this runs):
  metrics   tools/with-deps dpdk-telemetry.py -f {self.origin.prefix}     then /viaduct/verdicts, /viaduct/workers, /viaduct/pools
  capture   {TOP}/build/release/apps/origin/viaduct-origin capture --prefix {self.origin.prefix} --seconds 5 --output capture.pcapng
  log       {self.origin.log}
  hosts     client: {client}    origin: {origin}
  a page    {client} tools/with-deps {' '.join(self.curl().command('/'))}
"""

    def stop(self):
        try:
            return self.origin.stop()
        finally:
            self.line.stop()


def parse(arguments):
    once, output = False, None
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        elif word == "--once":
            once = True
        elif word == "--json":
            output = next(words, None) or sys.exit("tools/demo: --json needs a file")
        else:
            sys.exit(f"tools/demo: unknown word '{word}' (see --help)")
    return once, output


def show_balanced(demo, table):
    print("hosts: client ── router ──┬── two viaduct-lb (DPDK)\n"
          "                          └── two viaduct-origin (DPDK), which answer the client directly")
    balanced = BalancedDemo(demo.folder, demo.root, demo.big_sum)
    try:
        balanced.show(table)
        if not table.held():
            print(balanced.logs())
    finally:
        balanced.stop()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    once, output = parse(sys.argv[1:])
    build("release")
    signal.signal(signal.SIGTERM, interrupt)
    table = Table("tools/demo")
    pages, demo, folder = Hugepages(256), None, Path(tempfile.mkdtemp(prefix="viaduct-demo-"))
    try:
        print("hosts: client ── gateway ── viaduct-origin (DPDK on af_packet"
              f"{', hugepages' if pages.available else ', ordinary memory'})")
        demo = Demo(folder, pages.available > 0)
        table.row("viaduct-origin starts", lambda: demo.origin.wait_ready() and "serving on 198.18.1.2 and 2001:db8:1::2")
        if table.held():
            demo.show(table)
            show_balanced(demo, table)
        if not once and table.held():
            print(demo.hints() + "\nServing until Ctrl-C.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("\nending")
    finally:
        if demo:
            table.row("SIGTERM drains and exits 0", lambda: ended_well(demo.stop()))
            if not table.held():
                print(f"--- the origin's log:\n{demo.origin.log.read_text(errors='replace')[-3000:]}")
        shutil.rmtree(folder, ignore_errors=True)
        pages.give_back()
    if output:
        table.write(output)
    return 0 if table.held() else 1


def ended_well(status):
    expect(status == 0, f"exit status {status}")
    return "exit status 0"


if __name__ == "__main__":
    sys.exit(main())
