"""viaduct-impair in a host: a cable with faults between the host's two interfaces."""
import json
import subprocess


class Impairment:
    """Runs the box in `host`, whose eth0 leads to the clients and whose eth1 to the server."""

    def __init__(self, binary, host, folder, seed=1):
        self.log = open(folder / f"{host.name}.log", "ab")
        self.process = host.start(binary, "--left", "af_packet:eth0", "--right", "af_packet:eth1", "--seed", seed,
                                  "--prefix", f"viaduct-{host.name}", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=self.log, text=True)
        if self._answer() != "ready":
            raise RuntimeError(f"viaduct-impair does not start: {(folder / f'{host.name}.log').read_text()[-1000:]}")

    def _answer(self):
        return self.process.stdout.readline().strip()

    def _ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self._answer()

    def order(self, text):
        """One order of viaduct-impair's (see its --help)."""
        answer = self._ask(text)
        if answer != "ok":
            raise RuntimeError(f"viaduct-impair: {text}: {answer}")

    def counters(self):
        return json.loads(self._ask("counters"))

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
