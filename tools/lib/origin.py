"""Starts and stops viaduct-origin in a host, with a configuration made for the occasion."""
import subprocess
import time

import telemetry
from hosts import end_process


class Origin:
    """A running viaduct-origin. `folder` takes its configuration, certificate and log."""

    def __init__(self, binary, host, folder, root, *, ipv4="198.18.1.2/24", ipv6="2001:db8:1::2/64",
                 gateway4="198.18.1.1", gateway6="2001:db8:1::1", workers=1, hugepages=False, port_extra="", extra="", content_extra="",
                 name="origin", wrapper=()):
        self.folder = folder
        self.prefix = f"viaduct-{name}-{host.name}"
        self.log = folder / f"{name}.log"
        self.config = folder / f"{name}.toml"
        gateways = ", ".join(f'"{gateway}"' for gateway in (gateway4, gateway6) if gateway)
        addresses = ", ".join(f'"{address}"' for address in (ipv4, ipv6) if address)
        self.config.write_text(f"""workers = {workers}
idle = "adaptive"
{extra}
[eal]
file_prefix = "{self.prefix}"
hugepages = "{'auto' if hugepages else 'off'}"

[[port]]
driver = "af_packet"
interface = "eth0"
addresses = [{addresses}]
gateways = [{gateways}]
{port_extra}
[tls]
certificate = "{folder}/certificate.pem"
key = "{folder}/key.pem"

[content]
root = "{root}"
{content_extra}
""")
        self.command = [*wrapper, str(binary), "--config", str(self.config), "--self-signed", "origin.example"]
        self.output = open(self.log, "ab")
        self.process = host.start(*self.command, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def wait_ready(self, seconds=30):
        deadline = time.monotonic() + seconds
        while "serving on" not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None:
                raise RuntimeError(f"viaduct-origin ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"viaduct-origin is not ready after {seconds} s:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)
        return self

    def ask(self, command):
        return telemetry.ask(self.prefix, command)

    def stop(self):
        """SIGTERM, and its exit status."""
        status = end_process(self.process, patience=15)
        self.output.close()
        return status
