"""Cells of the interop matrix: one peer and one case each, what is done, and what came of it."""
import fnmatch
import json
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

PASSED, FAILED, IMPOSSIBLE = "passed", "failed", "impossible"
SIGNS = {PASSED: "ok", FAILED: "FAIL", IMPOSSIBLE: "-", None: ""}


@dataclass
class Cell:
    role: str  # ours: "server" or "client"
    peer: str
    case: str
    # Does it, in its environment; returns a line of detail. An exception is why it failed.
    action: Optional[Callable] = None
    # Why the peer cannot do this, and a check in the environment that it still cannot: it returns whether that is so.
    impossible: str = ""
    check: Optional[Callable] = None
    status: Optional[str] = None
    detail: str = ""
    seconds: float = field(default=0.0)

    @property
    def name(self):
        return f"{self.role}/{self.peer}/{self.case}"

    def run(self, environment):
        started = time.monotonic()
        try:
            self.status, self.detail = self._outcome(environment)
        except Exception as problem:  # every kind of failure becomes a cell that says why
            self.status, self.detail = FAILED, str(problem).strip() or repr(problem)
        self.seconds = time.monotonic() - started

    def _outcome(self, environment):
        if self.action:
            return PASSED, self.action(environment)
        if not self.check(environment):
            raise RuntimeError(f"it is said to be impossible ({self.impossible}), but that is no longer so")
        return IMPOSSIBLE, self.impossible


def wanted(cells, patterns):
    """Those cells whose name, or a part of it, matches one of the patterns; all without patterns."""
    return [cell for cell in cells
            if not patterns or any(fnmatch.fnmatchcase(cell.name, f"*{pattern}*") for pattern in patterns)]


def table(cells, role):
    """Lines: a row for each case, a column for each peer."""
    cells = [cell for cell in cells if cell.role == role]
    peers = list(dict.fromkeys(cell.peer for cell in cells))
    by_place = {(cell.case, cell.peer): SIGNS[cell.status] for cell in cells}
    widths = {peer: max(len(peer), 7) for peer in peers}
    lines = [f"{'our ' + role:<22}" + "  ".join(f"{peer:<{widths[peer]}}" for peer in peers)]
    for case in dict.fromkeys(cell.case for cell in cells):
        lines.append(f"  {case:<20}" + "  ".join(f"{by_place.get((case, peer), ''):<{widths[peer]}}" for peer in peers))
    return [line.rstrip() for line in lines]


def reasons(cells, status):
    """A line for each different reason of this status, with the cells it is for."""
    by_reason = {}
    for cell in cells:
        if cell.status == status:
            by_reason.setdefault(cell.detail, []).append(cell.name)
    return [f"  {', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def write(cells, path):
    rows = [{"role": cell.role, "peer": cell.peer, "case": cell.case, "status": cell.status, "detail": cell.detail,
             "seconds": round(cell.seconds, 3)} for cell in cells]
    counts = {status: sum(cell.status == status for cell in cells) for status in (PASSED, FAILED, IMPOSSIBLE)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"counts": counts, "cells": rows}, file, indent=2)
        file.write("\n")
