"""What benchmarks give: rows of medians with their spread and their reference, and the machine they come from."""
import json
import os
import platform
import re
import statistics
import subprocess


def row(suite, case, metric, unit, values, reference=None, ratios=None):
    """One row. `ratios`: this case over its reference, turn by turn."""
    return {"suite": suite, "case": case, "metric": metric, "unit": unit, "median": statistics.median(values),
            "min": min(values), "max": max(values), "runs": len(values), "reference": reference,
            "ratio": statistics.median(ratios) if ratios else None}


def show(found):
    ratio = f"  {found['ratio']:6.2f} × {found['reference']}" if found["ratio"] is not None else ""
    print(f"{found['suite'] + '/' + found['case']:<58} {found['metric']:<34} {found['median']:>12,.4g}  "
          f"[{found['min']:,.4g} – {found['max']:,.4g}] {found['unit']}{ratio}", flush=True)


def version_of(*command):
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=20)
    except OSError:
        return "not there"
    text = (done.stdout + done.stderr).strip().splitlines()
    return text[0] if text else "unknown"


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        info = file.read()
    model = re.search(r"model name\s*: (.*)", info)
    flags = set(re.search(r"flags\s*: (.*)", info).group(1).split())
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) >> 20
    return {"cpu": model.group(1) if model else platform.processor(), "cpus": str(len(os.sched_getaffinity(0))),
            "vaes": "yes" if "vaes" in flags else "no", "avx512": "yes" if "avx512f" in flags else "no",
            "memory": f"{memory} GiB", "kernel": platform.release(),
            "commit": version_of("git", "describe", "--always", "--dirty")}


def write(path, rows, **more):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": {**machine(), **more}, "rows": rows}, file, indent=1)
        file.write("\n")
