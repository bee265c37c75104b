"""Draws what `congestion-table --series` prints: for each scenario, rate and queue of each controller over time.

    build/release/tests/simulation/congestion-table --series > series.csv
    perf/plot series.csv congestion.svg
"""
import csv
import sys
from collections import defaultdict
from xml.sax.saxutils import escape

COLOURS = {"newreno": "#1f77b4", "cubic": "#d62728", "bbr": "#2ca02c"}
WIDTH, HEIGHT = 420, 150  # of one diagram
LEFT, TOP, RIGHT, BOTTOM = 48, 30, 12, 26  # around it


def read(path):
    """{scenario: {controller: [(seconds, megabits, queue_ms)]}}, in the order of the file."""
    runs = defaultdict(lambda: defaultdict(list))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            point = (float(row["seconds"]), float(row["megabits"]), float(row["queue_ms"]))
            runs[row["scenario"]][row["controller"]].append(point)
    return runs


def steps(limit):
    """A few round numbers from 0 to the limit."""
    size = 1
    while limit / size > 5:
        size *= 2.5 if str(size).startswith("2") else 2
    return [size * i for i in range(int(limit / size) + 1)]


def diagram(x, y, title, unit, lines):
    """Lines over time within their own frame: {controller: [(seconds, value)]}."""
    longest = max(seconds for points in lines.values() for seconds, _ in points) or 1
    highest = max(value for points in lines.values() for _, value in points) * 1.05 or 1
    place = lambda seconds, value: f"{x + seconds / longest * WIDTH:.1f},{y + HEIGHT - value / highest * HEIGHT:.1f}"
    parts = [f'<text x="{x}" y="{y - 8}" font-weight="bold">{escape(title)}, {unit}</text>',
             f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    for value in steps(highest):
        level = y + HEIGHT - value / highest * HEIGHT
        parts.append(f'<text x="{x - 6}" y="{level + 4:.1f}" text-anchor="end">{value:g}</text>'
                     f'<path d="M{x},{level:.1f}h{WIDTH}" stroke="#eee"/>')
    for seconds in steps(longest):
        parts.append(f'<text x="{x + seconds / longest * WIDTH:.1f}" y="{y + HEIGHT + 16}" '
                     f'text-anchor="middle">{seconds:g} s</text>')
    for controller, points in lines.items():
        path = " ".join(place(*point) for point in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS.get(controller, "#000")}"/>')
    return parts


def draw(runs):
    column, row = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    width, height = 2 * column, len(runs) * row + TOP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
             f'font-size="11"><rect width="{width}" height="{height}" fill="#fff"/>']
    for i, (controller, colour) in enumerate(COLOURS.items()):
        parts.append(f'<text x="{LEFT + i * 80}" y="16" fill="{colour}">{controller}</text>')
    for i, (scenario, controllers) in enumerate(runs.items()):
        y = TOP + i * row + TOP
        rates = {name: [(p[0], p[1]) for p in points] for name, points in controllers.items()}
        queues = {name: [(p[0], p[2]) for p in points] for name, points in controllers.items()}
        parts += diagram(LEFT, y, scenario, "Mbit/s", rates)
        parts += diagram(LEFT + column, y, scenario, "ms of queue", queues)
    return "\n".join(parts) + "\n</svg>\n"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: perf/plot SERIES.csv OUT.svg")
    runs = read(sys.argv[1])
    if not runs:
        sys.exit(f"{sys.argv[1]}: no samples")
    with open(sys.argv[2], "w") as out:
        out.write(draw(runs))


if __name__ == "__main__":
    main()
