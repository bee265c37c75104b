"""Configures and builds the project with Meson, quietly, and says what to do when that fails."""
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

VARIANTS = {
    "release": ["-Dbuildtype=release"],
    "test": ["-Dbuildtype=release", "-Dtests=enabled", "-Dperf=enabled"],
    "sanitize": ["-Dbuildtype=debugoptimized", "-Dtests=enabled", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
    "fuzz": ["-Dbuildtype=debugoptimized", "-Dfuzz=enabled", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
}


def build(variant, targets=()):
    """Builds a variant in build/<variant>; its folder. Exits with the compiler's words on failure."""
    folder = TOP / "build" / variant
    environment = dict(os.environ)
    if variant == "fuzz":
        environment["CXX"] = "clang++"
    if not (folder / "build.ninja").exists():
        step(["meson", "setup", str(folder), *VARIANTS[variant]], f"configuring build/{variant}", environment)
    step(["ninja", "-C", str(folder), *targets], f"building build/{variant}", environment)
    return folder


def step(command, what, environment):
    print(f"{what} …", flush=True)
    done = subprocess.run(command, cwd=TOP, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-60:]))
        sys.exit(f"{what} failed: {' '.join(command)}")
