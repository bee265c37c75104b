"""curl as the independent HTTP/3 client."""
import subprocess


class Curl:
    def __init__(self, host, ca_file, address, name="origin.example", port=443):
        self.host = host
        bracketed = f"[{address}]" if ":" in address else address
        self.base = ["curl", "--http3-only", "--silent", "--show-error", "--cacert", str(ca_file),
                     "--resolve", f"{name}:{port}:{bracketed}"]
        self.origin = f"https://{name}" + ("" if port == 443 else f":{port}")

    def command(self, path, *options):
        return [*self.base, *map(str, options), self.origin + path]

    def get(self, path, *options, timeout=60):
        """(status, headers by lower-case name, body) of one request."""
        done = self.raw(path, "--dump-header", "/dev/stderr", *options, timeout=timeout)
        status, headers = 0, {}
        for line in done.stderr.decode(errors="replace").splitlines():
            if line.startswith("HTTP/"):
                status, headers = int(line.split()[1]), {}
            elif ":" in line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        return status, headers, done.stdout

    def raw(self, path, *options, timeout=60):
        done = subprocess.run(self.host.command(*self.command(path, *options)), capture_output=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"curl {path}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done

    def start(self, path, *options):
        return self.host.start(*self.command(path, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
