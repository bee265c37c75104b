"""Runs viaduct-load and reads, while it measures, what a server spends."""
import json
import subprocess
import threading

import telemetry


class OriginMeter:
    """Cycles of viaduct-origin's workers, by its own telemetry."""

    def __init__(self, prefix):
        self.prefix = prefix

    def read(self):
        return {name: int(value) for name, value in telemetry.ask(self.prefix, "/viaduct/stages").items()}

    @staticmethod
    def between(before, after):
        hz = after["cycles_per_second"]
        spent = {name: after[name] - before[name] for name in after if name != "cycles_per_second"}
        own = spent["cycles_total"] - spent["cycles_stolen"]
        return {"busy_seconds": spent["cycles_busy"] / hz, "busy_share": spent["cycles_busy"] / max(own, 1), "hz": hz,
                "stages": {name[7:]: value for name, value in spent.items() if name.startswith("cycles_")},
                "packets_built": spent["packets_built"], "packets_received": spent["packets_received"]}


class ProcessMeter:
    """CPU time of a process and its children, by the kernel's accounting."""

    def __init__(self, pids):
        self.pids = pids

    def read(self):
        total = 0
        for pid in self.pids:
            try:
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    first = int(file.read().split()[0])
                from pathlib import Path
                threads = [int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()]
                total += max(sum(threads), first)
            except OSError:
                pass
        return total

    @staticmethod
    def between(before, after):
        return {"busy_seconds": (after - before) / 1e9, "busy_share": None, "stages": {}}


class Load:
    """viaduct-load at one end: its command without what a run adds."""

    def __init__(self, binary, cpu, port, address, host=None, extra=()):
        self.command = ["taskset", "-c", str(cpu), str(binary), "--port", port, "--address", address, "--insecure",
                        "--file-prefix", "viaduct-bench-load", "--json", "-", *extra]
        self.host = host

    def run(self, meter, url, *options, seconds=4.0, warm_up=1.0, patience=60):
        """One measurement: the client's results with the server's under "server"."""
        command = [*self.command, "--duration", str(seconds), "--warm-up", str(warm_up), *map(str, options), url]
        if self.host:
            command = self.host.command(*command)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        readings, errors = {}, []

        def watch():
            for line in process.stderr:
                if line.strip() in ("measuring", "measured"):
                    readings[line.strip()] = meter.read()
                else:
                    errors.append(line)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            output = process.stdout.read()
            process.wait(seconds + warm_up + patience)
        finally:
            if process.poll() is None:
                process.kill()
            watcher.join()
        if process.returncode not in (0, 1) or not output.strip():
            raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{''.join(errors)[-2000:]}")
        result = json.loads(output)
        if "measured" not in readings:
            raise RuntimeError(f"viaduct-load measured nothing: {''.join(errors)[-2000:]}")
        result["server"] = meter.between(readings["measuring"], readings["measured"])
        return result
