"""Configures and builds the project with Meson, quietly, and says what to do when that fails."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# Many files of a library or of a test at once: headers are most of a compiler's work here.
UNITY = ["-Dunity=on", "-Dunity_size=8"]
RELEASE = ["-Dbuildtype=release", *UNITY]
# Adds to the release build, so that what the demo runs and what is tested is compiled once.
EVERYTHING = [*RELEASE, "-Dtests=enabled", "-Dperf=enabled"]
SANITIZED = ["-Doptimization=1", *UNITY, "-Db_sanitize=address,undefined", "-Db_lundef=false"]
# Of debugging information, what reports name lines by: all of it takes longer than the rest.
SANITIZE = ["-Ddebug=false", "-Dcpp_args=-g1", "-Dtests=enabled", *SANITIZED]
FUZZ = ["-Dbuildtype=plain", "-Dfuzz=enabled", *SANITIZED]
PROGRAMS = ["apps/origin/viaduct-origin", "apps/lb/viaduct-lb"]
# Folder below build/, options and targets (none: all there are) of each variant.
VARIANTS = {
    "release": ("release", RELEASE, PROGRAMS),
    "perf": ("release", EVERYTHING, [*PROGRAMS, "apps/load/viaduct-load", "perf/crypto/bench-crypto", "perf/lb/bench-lb"]),
    "soak": ("release", EVERYTHING, [*PROGRAMS, "tests/soak/garbage"]),
    "interop": ("release", EVERYTHING, [*PROGRAMS, "apps/load/viaduct-load", "tools/impair/viaduct-impair"]),
    "test": ("release", EVERYTHING, []),
    "sanitize": ("sanitize", SANITIZE, []),
    "fuzz": ("fuzz", FUZZ, ["fuzz"]),
}


def build(variant):
    """Builds a variant; its folder. Exits with the compiler's words on failure."""
    name, options, targets = VARIANTS[variant]
    folder = TOP / "build" / name
    mark = folder / ".everything"
    environment = dict(os.environ)
    if variant == "fuzz":
        # Meson looks for ccache only where it chooses the compiler itself.
        environment["CXX"] = "ccache clang++" if shutil.which("ccache") else "clang++"
    if not (folder / "build.ninja").exists():
        step(["meson", "setup", str(folder), *options], f"configuring build/{name}", environment)
    elif options == EVERYTHING and not mark.exists():
        step(["meson", "configure", str(folder), *options], f"configuring build/{name} again", environment)
    if options == EVERYTHING:
        mark.touch()
    step(["ninja", "-C", str(folder), *targets], f"building build/{name}", environment)
    return folder


def step(command, what, environment):
    print(f"{what} …", flush=True)
    done = subprocess.run(command, cwd=TOP, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-60:]))
        sys.exit(f"{what} failed: {' '.join(command)}")
