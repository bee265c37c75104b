"""Configures and builds the project with Meson, quietly, and says what to do when that fails."""
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# Folder below build/ and options of each variant. The tests add to the release build, so that what the demo runs
# and what they test is compiled once.
VARIANTS = {
    "release": ("release", ["-Dbuildtype=release"]),
    "perf": ("release", ["-Dbuildtype=release", "-Dtests=enabled", "-Dperf=enabled"]),
    "test": ("release", ["-Dbuildtype=release", "-Dtests=enabled", "-Dperf=enabled"]),
    "sanitize": ("sanitize", ["-Dbuildtype=debugoptimized", "-Doptimization=1", "-Dtests=enabled", "-Db_sanitize=address,undefined",
                              "-Db_lundef=false"]),
    # Warnings that only clang has are clang-tidy's business.
    "fuzz": ("fuzz", ["-Dbuildtype=debugoptimized", "-Dwerror=false", "-Dfuzz=enabled",
                      "-Db_sanitize=address,undefined", "-Db_lundef=false"]),
}
PROGRAMS = ["apps/origin/viaduct-origin", "apps/lb/viaduct-lb"]
# What a variant builds; all that there is where it is not named.
TARGETS = {
    "release": PROGRAMS,
    "perf": [*PROGRAMS, "apps/load/viaduct-load", "perf/crypto/bench-crypto"],
    "fuzz": ["fuzz"],
}


def build(variant):
    """Builds a variant; its folder. Exits with the compiler's words on failure."""
    name, options = VARIANTS[variant]
    folder = TOP / "build" / name
    mark = folder / f".{variant}"
    environment = dict(os.environ)
    if variant == "fuzz":
        environment["CXX"] = "clang++"
    if not (folder / "build.ninja").exists():
        step(["meson", "setup", str(folder), *options], f"configuring build/{name}", environment)
    elif not mark.exists() and variant != "release":
        step(["meson", "configure", str(folder), *options], f"configuring build/{name} again", environment)
    mark.touch()
    step(["ninja", "-C", str(folder), *TARGETS.get(variant, [])], f"building build/{name}", environment)
    return folder


def step(command, what, environment):
    print(f"{what} …", flush=True)
    done = subprocess.run(command, cwd=TOP, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-60:]))
        sys.exit(f"{what} failed: {' '.join(command)}")
