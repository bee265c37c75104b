"""usage: tests/fuzz/run MINUTES [TARGET]...

Fuzzes each target (default: all) for MINUTES, with clang's libFuzzer and sanitizers. What it learns is kept in
build/fuzz/corpus and goes on from there next time; an input that breaks something is in build/fuzz/found. Minimise what
is worth keeping into tests/fuzz/corpus/TARGET with "-merge=1". Exits with 1 where something was found.

options:
  --jobs N   targets at a time (default: 1)
  --help     this text
"""
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "lib"))
import fuzz  # noqa: E402
from build import TOP, build  # noqa: E402


def fuzz_for(folder, target, minutes):
    learnt, found = TOP / "build/fuzz/corpus" / target, TOP / "build/fuzz/found" / target
    for path in (learnt, found):
        path.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={max(int(minutes * 60), 1)}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    good, text = fuzz.run(folder, target, limits, [learnt, fuzz.corpus(target)])
    count = re.search(r"stat::number_of_executed_units: (\d+)", text)
    print(f"{target}: {count[1] if count else '?'} executions, {'nothing found' if good else 'FAILED'}", flush=True)
    if not good:
        print(text[-4000:], flush=True)
    return good


def main():
    words, minutes, jobs, targets = iter(sys.argv[1:]), None, 1, []
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            return 0
        if word == "--jobs":
            jobs = int(next(words, "1"))
        elif minutes is None and re.fullmatch(r"\d+(\.\d+)?", word):
            minutes = float(word)
        elif word in fuzz.EXECUTIONS:
            targets.append(word)
        else:
            sys.exit(f"tests/fuzz/run: unknown word '{word}'; targets: {', '.join(fuzz.EXECUTIONS)} (see --help)")
    if minutes is None:
        sys.exit("tests/fuzz/run: for how many minutes? (see --help)")
    folder = build("fuzz")
    with ThreadPoolExecutor(jobs) as pool:
        good = list(pool.map(lambda target: fuzz_for(folder, target, minutes), targets or fuzz.EXECUTIONS))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
