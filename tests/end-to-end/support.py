"""What the end-to-end tests share: the build, a folder, an origin on a line of hosts."""
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from build import TOP
from curl import Curl
from origin import Origin
from topology import Line

BUILD = Path(os.environ.get("VIADUCT_BUILD", TOP / "build/release"))
BINARY = BUILD / "apps/origin/viaduct-origin"


class OriginTest(unittest.TestCase):
    """Starts one origin for the class: options of Origin in `options`, files in `files` beside the demo site."""

    options = {}
    files = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="viaduct-test-"))
        cls.root = cls.folder / "site"
        shutil.copytree(TOP / "tools" / "site", cls.root)
        for name, content in cls.files.items():
            (cls.root / name).write_bytes(content)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.line = Line()
        cls.addClassCleanup(cls.line.stop)
        cls.origin = Origin(BINARY, cls.line.origin, cls.folder, cls.root, **cls.options)
        cls.addClassCleanup(cls._stop_origin)
        cls.origin.wait_ready()
        cls.curl = Curl(cls.line.client, cls.folder / "certificate.pem", Line.ORIGIN)
        cls.curl6 = Curl(cls.line.client, cls.folder / "certificate.pem", Line.ORIGIN6)

    @classmethod
    def _stop_origin(cls):
        status = cls.origin.stop()
        if status != 0:
            raise AssertionError(f"viaduct-origin ended with {status}:\n{cls.origin.log.read_text()[-3000:]}")

    def number(self, command, name):
        return int(self.origin.ask(command)[name])
