"""usage: perf/report FILE.json... [--output FILE.html]

Makes one page of the results of perf/bench: a table of all rows, and plots of goodput by connections, of latencies, of
requests beside the peers', and of where cycles go, each beside its reference. Default: report.html.
"""
import argparse
import html
import io
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

PORT = ("receive", "send")


class Results:
    def __init__(self, files):
        self.machines, self.rows = [], []
        for file in files:
            found = json.loads(Path(file).read_text(encoding="utf-8"))
            self.machines.append((Path(file).name, found["machine"]))
            self.rows += found["rows"]

    def of(self, suite, pattern, metric=None):
        """Rows of a suite whose case matches, with the match."""
        for row in self.rows:
            match = re.fullmatch(pattern, row["case"])
            if row["suite"] == suite and match and metric in (None, row["metric"]):
                yield row, match


def svg(figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight")
    plt.close(figure)
    text = out.getvalue()
    return text[text.index("<svg"):]


def spread(rows):
    return [[r["median"] - r["min"] for r in rows], [r["max"] - r["median"] for r in rows]]


def by_connections(results):
    """Goodput by the number of connections, for each MTU."""
    figure, axes = plt.subplots(figsize=(7, 4))
    drawn = False
    for mtu in (1500, 9000):
        for suite, style in (("download", "o-"), ("upload", "s--")):
            found = list(results.of(suite, rf"memif/mtu={mtu}/connections=(\d+)", "goodput of a busy core"))
            if not found:
                continue
            rows = [row for row, _ in found]
            axes.errorbar([int(match[1]) for _, match in found], [r["median"] for r in rows], yerr=spread(rows), fmt=style,
                          capsize=3, label=f"{suite}, MTU {mtu}")
            drawn = True
    if not drawn:
        plt.close(figure)
        return None
    axes.set(xscale="log", xlabel="connections", ylabel="Gb/s of a busy server core", ylim=(0, None))
    axes.legend()
    return svg(figure)


def by_stage(results):
    """Cycles of a packet by stage, beside the bare cipher."""
    cases = {}
    for row in results.rows:
        if row["metric"].startswith("stage ") and row["suite"] in ("download", "upload") and "memif" in row["case"]:
            cases.setdefault(f"{row['suite']} {row['case'][6:]}", {})[row["metric"][6:]] = row["median"]
        if row["metric"] == "bare cipher":
            cases.setdefault(f"{row['suite']} {row['case'][6:]}", {})["bare"] = row["median"]
    if not cases:
        return None
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(cases) + 1.5))
    names = list(cases)
    stages = [s for s in next(iter(cases.values())) if s not in ("bare", *PORT)] + list(PORT)
    left = [0.0] * len(names)
    colours = plt.get_cmap("tab20").colors
    for index, stage in enumerate(stages):
        values = [cases[name].get(stage, 0) for name in names]
        axes.barh(names, values, left=left, label=stage, color=colours[index % 20])
        left = [a + b for a, b in zip(left, values)]
    for position, name in enumerate(names):
        bare = cases[name].get("bare")
        if bare:
            axes.plot([bare, bare], [position - 0.45, position + 0.45], "k-", linewidth=2, label="bare cipher" if position == 0 else None)
    axes.set(xlabel="cycles of the time-stamp counter per packet")
    axes.invert_yaxis()
    axes.legend(bbox_to_anchor=(1.01, 1), loc="upper left")
    return svg(figure)


def latencies(results):
    """Latency by quantile, at a tenth of the rate."""
    names = ("p50", "p90", "p99", "p99.9", "p99.99", "max")
    rows = {row["metric"]: row for row, _ in results.of("latency", ".*") if row["metric"] in names}
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(7, 4))
    shown = [name for name in names if name in rows]
    axes.errorbar(shown, [rows[n]["median"] for n in shown], yerr=spread([rows[n] for n in shown]), fmt="o-", capsize=3)
    axes.set(yscale="log", xlabel="share of requests", ylabel="µs")
    return svg(figure)


def beside_peers(results):
    """What a core does on a virtual cable, beside the peers."""
    cases = {}
    for row in results.rows:
        if row["suite"] == "veth" and row["metric"].endswith("of a busy core"):
            case, name = row["case"].rsplit("/", 1)
            cases.setdefault(case, {})[name] = row
    if not cases:
        return None
    figure, axes = plt.subplots(len(cases), 1, figsize=(8, 1.5 * len(cases)))
    for axis, (case, servers) in zip([axes] if len(cases) == 1 else axes, cases.items()):
        rows = list(servers.values())
        axis.barh(list(servers), [r["median"] for r in rows], xerr=spread(rows), capsize=3)
        axis.set_title(f"{case[5:]} ({rows[0]['unit']})", fontsize=9)
    figure.tight_layout()
    return svg(figure)


def table(rows):
    cells = []
    for row in rows:
        ratio = f"{row['ratio']:.2f} × {html.escape(row['reference'])}" if row["ratio"] is not None else ""
        cells.append("<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in (
            f"{row['suite']}/{row['case']}", row["metric"], f"{row['median']:,.4g}", f"{row['min']:,.4g} – {row['max']:,.4g}",
            row["unit"], row["runs"])) + f"<td>{ratio}</td></tr>")
    return ("<table><tr><th>case<th>metric<th>median<th>least – greatest<th>unit<th>runs<th>ratio</tr>" + "\n".join(cells) + "</table>")


def page(results):
    parts = ["<!doctype html><meta charset=utf-8><title>Viaduct: measurements</title><style>body{font:15px sans-serif;margin:2em;"
             "max-width:70em}table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:2px 6px;"
             "text-align:left}svg{max-width:100%;height:auto}</style><h1>Viaduct: measurements</h1>"]
    for name, machine in results.machines:
        parts.append(f"<h2>{html.escape(name)}</h2><p>" + "; ".join(f"{html.escape(k)}: {html.escape(v)}" for k, v in machine.items()) + "</p>")
    for title, plot in (("Goodput by connections", by_connections), ("Where cycles go", by_stage), ("Latency", latencies),
                        ("Beside the peers", beside_peers)):
        drawing = plot(results)
        if drawing:
            parts.append(f"<h2>{title}</h2>{drawing}")
    parts.append("<h2>All rows</h2>" + table(results.rows))
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="perf/report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--output", default="report.html")
    options = parser.parse_args()
    Path(options.output).write_text(page(Results(options.files)), encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
