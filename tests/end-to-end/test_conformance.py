"""tools/conformance on a small tree: what it counts, and what makes it fail."""
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from build import TOP

# Put together here, so that this file cites nothing itself.
MEETS, PROVES = "// " + "meets RFC", "// " + "proves RFC"
REQUIREMENTS = "1-1  MUST    one\n1-2  MUST    two\n1-3  MUST    three\n2.1-1  SHOULD  four\n"


class Conformance(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix="viaduct-conformance-"))
        self.addCleanup(shutil.rmtree, self.top)
        for folder in ("tools", "engine", "tests/conformance"):
            (self.top / folder).mkdir(parents=True)
        shutil.copy(TOP / "tools/conformance", self.top / "tools/conformance")
        for rfc in ("9001", "9002", "9221"):
            (self.top / f"tests/conformance/rfc{rfc}.txt").write_text("")
        (self.top / "tests/conformance/rfc9000.txt").write_text(REQUIREMENTS)
        self.write("tests/conformance/exceptions.txt", "RFC 9000 2.*: not here\n")
        self.write("engine/a.cc", f"{MEETS} 9000 1-1 1-2\nint a;\n")
        self.write("tests/a_test.cc", f"{PROVES} 9000 1-1\nint b;\n")
        subprocess.run(["git", "init", "-q", self.top], check=True)
        self.assertEqual(self.run_tool("--write").returncode, 0)

    def write(self, name, text):
        (self.top / name).write_text(text)

    def run_tool(self, *words):
        return subprocess.run([self.top / "tools/conformance", *words], text=True, capture_output=True, timeout=30)

    def fails_with(self, *parts):
        done = self.run_tool("--check")
        self.assertEqual(done.returncode, 1, done.stdout)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_counts_what_is_proved_met_excepted_and_missing(self):
        counts = json.loads((self.top / "tests/conformance/baseline.json").read_text())
        self.assertEqual(counts["RFC 9000 MUST"], {"proved": 1, "met": 1, "tested": 0, "excepted": 0, "missing": 1})
        self.assertEqual(counts["RFC 9000 SHOULD"]["excepted"], 1)
        self.assertEqual(self.run_tool("--check").returncode, 0)
        self.assertIn("engine/a.cc:1", self.run_tool("9000", "1").stdout)
        self.assertIn("three", self.run_tool("--missing").stdout)

    def test_fewer_proofs_fail(self):
        self.write("tests/a_test.cc", "int b;\n")
        self.fails_with("RFC 9000 MUST: 0 proved or excepted, the baseline has 1")

    def test_more_that_is_missing_fails(self):
        self.write("engine/a.cc", f"{MEETS} 9000 1-1\n")
        self.fails_with("2 missing, the baseline has 1")

    def test_citations_of_what_there_is_not_fail(self):
        self.write("engine/b.cc", f"{MEETS} 9000 7-7\n{MEETS} 9000 1-1, 1-2\n{PROVES} 9000 1-3\n")
        self.fails_with("engine/b.cc:1: no requirement 7-7", "engine/b.cc:2: a citation of another form", "engine/b.cc:3: code says")

    def test_an_exception_that_is_met_fails(self):
        self.write("engine/b.cc", f"{MEETS} 9000 2.1-1\n")
        self.fails_with("is an exception (not here), and cited")
