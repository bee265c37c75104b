"""Where cells run: our origin with a client's host before it, or another server with our client's host before it."""
import base64
import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from build import TOP
from curl import Curl
from impair import Impairment
from origin import Origin
from topology import Line

BUILD = Path(os.environ.get("VIADUCT_BUILD", TOP / "build/release"))
FILES = {"1k.bin": 1_000, "1m.bin": 1_000_000, "10m.bin": 10_000_000, "100m.bin": 100_000_000}


def make_files(folder):
    """The files that are fetched, of bytes that no compressor likes; length and sum by name."""
    folder.mkdir()
    block = random.Random(4).randbytes(1_000_000)
    known = {}
    for name, length in FILES.items():
        total = hashlib.sha256()
        with open(folder / name, "wb") as file:
            for start in range(0, length, len(block)):
                piece = block[:min(len(block), length - start)]
                file.write(piece)
                total.update(piece)
        known[name] = (length, total.hexdigest())
    return known


def expect(condition, text):
    if not condition:
        raise RuntimeError(text)


class Environment:
    """A folder, the files, and cells. stop() may come at any time, also where start() failed."""

    def __init__(self, name, cells):
        self.name, self.cells = name, cells
        self.folder = None
        self.stops = []

    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="viaduct-interop-"))
        self.stops.append(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.files = make_files(self.folder / "www")

    def stop(self):
        while self.stops:
            self.stops.pop()()

    def run(self, host, *command, seconds=90):
        """Runs a command in a host to its end; what it printed. Its last words are the error where it fails."""
        try:
            done = subprocess.run(host.command(*command), text=True, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired as problem:
            raise RuntimeError(f"not done after {seconds} s") from problem
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        expect(done.returncode == 0, f"exit {done.returncode}: {' '.join(words)}")
        return done.stdout.strip()


class OriginEnvironment(Environment):
    """viaduct-origin, and a client's host behind a gateway; with_box: a cable with faults before the origin."""

    def __init__(self, name, cells, *, extra="", with_box=False):
        super().__init__(name, cells)
        self.extra, self.with_box = extra, with_box

    def start(self):
        super().start()
        self.line = Line(self.with_box)
        self.stops.append(self.line.stop)
        if self.with_box:
            self.box = Impairment(BUILD / "tools/impair/viaduct-impair", self.line.box, self.folder)
            self.stops.append(self.box.stop)
        self.origin = Origin(BUILD / "apps/origin/viaduct-origin", self.line.origin, self.folder, self.folder / "www",
                             extra=self.extra, content_extra='upload = "/upload"')
        self.stops.append(self.origin.stop)
        self.origin.wait_ready()
        self.certificate = self.folder / "certificate.pem"

    def curl(self, address=Line.ORIGIN):
        return Curl(self.line.client, self.certificate, address)

    def aioquic(self, case, name="1k.bin", seconds=60, address=Line.ORIGIN, **options):
        """One case of aioquic_client.py, with a file."""
        length, total = self.files[name]
        words = [f"{key}={value}" for key, value in
                 {"path": f"/{name}", "length": length, "sum": total, "seconds": seconds, **options}.items()]
        return self.run(self.line.client, "/usr/bin/python3", TOP / "tests/interop/peers/aioquic_client.py", case,
                        address, self.certificate, *words, seconds=seconds + 10)

    def number(self, command, name):
        return int(self.origin.ask(command)[name])

    def key_hash(self):
        """What Chromium wants to know of a certificate that it is to trust."""
        key = subprocess.run(["openssl", "x509", "-in", self.certificate, "-pubkey", "-noout"], capture_output=True,
                             check=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, capture_output=True,
                             check=True).stdout
        return base64.b64encode(hashlib.sha256(der).digest()).decode()
