"""What the sources must look like: formatting, floors, citations of RFCs, and clang-tidy for what changed."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build import TOP


def lines(*command):
    return subprocess.run(command, cwd=TOP, text=True, capture_output=True).stdout.split()


def sources():
    return [path for path in lines("git", "ls-files", "*.h", "*.cc") if (TOP / path).exists()]


def changed():
    """C++ files that differ from where this branch left its upstream, or in the newest commit where there is none."""
    base = lines("git", "merge-base", "HEAD", "@{upstream}") or lines("git", "rev-parse", "-q", "--verify", "HEAD~1")
    if base and base == lines("git", "rev-parse", "HEAD"):
        base = lines("git", "rev-parse", "-q", "--verify", "HEAD~1")
    names = lines("git", "diff", "--name-only", *(base or ["HEAD"]), "--", "*.cc")
    return [path for path in names if (TOP / path).exists()]


def failures_of(name, command):
    done = subprocess.run(command, cwd=TOP, text=True, capture_output=True)
    if done.returncode == 0:
        return []
    return [(name, "\n".join((done.stdout + done.stderr).splitlines()[-40:]))]


def commands_of_files(build_folder):
    """The build compiles many files at once: what it would do to each by itself."""
    entries = []
    for entry in json.loads((build_folder / "compile_commands.json").read_text()):
        whole = (Path(entry["directory"]) / entry["file"]).resolve()
        parts = re.findall(r'^#include *[<"](.*)[>"]$', whole.read_text(), re.M) if "-unity" in whole.name else []
        for part in parts or [whole]:
            path = (Path(entry["directory"]) / part).resolve()
            entries.append({**entry, "file": str(path), "command": entry["command"].replace(entry["file"], str(path))})
    return entries


def tidy(build_folder, files):
    """clang-tidy over those of `files` that the build compiles."""
    entries = commands_of_files(build_folder)
    compiled = {entry["file"] for entry in entries}
    known = [path for path in files if str(TOP / path) in compiled]
    database = build_folder / "tidy"
    database.mkdir(exist_ok=True)
    (database / "compile_commands.json").write_text(json.dumps(entries))

    def failures_in(path):
        return failures_of(f"clang-tidy {path}", [
            "clang-tidy", "-p", str(database), "--quiet", "--extra-arg=-Wno-unknown-warning-option",
            "--extra-arg=-Wno-unused-command-line-argument", str(TOP / path)])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return len(known), [failure for failures in pool.map(failures_in, known) for failure in failures]


def whole_tree():
    failures = failures_of("clang-format", ["clang-format", "--dry-run", "-Werror", *sources()])
    failures += failures_of("floors", ["tools/check-floors"])
    failures += failures_of("conformance", ["tools/conformance", "--check"])
    return 3, failures
