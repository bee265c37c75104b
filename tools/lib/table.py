"""A table of what was tried and what came of it, for people and as JSON."""
import json
import time


class Table:
    def __init__(self, title):
        self.title = title
        self.rows = []

    def row(self, what, action):
        """Runs action, which returns a short text; an exception makes the row, and the table, fail."""
        started = time.monotonic()
        try:
            detail, held = action(), True
        except Exception as problem:  # every kind of failure becomes a row that says why
            detail, held = str(problem).strip() or repr(problem), False
        seconds = time.monotonic() - started
        self.rows.append({"what": what, "held": held, "detail": detail, "seconds": round(seconds, 3)})
        print(f"  {'ok  ' if held else 'FAIL'}  {what:<44}  {detail}", flush=True)
        return held

    def held(self):
        return bool(self.rows) and all(row["held"] for row in self.rows)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"title": self.title, "held": self.held(), "rows": self.rows}, file, indent=2)
            file.write("\n")
