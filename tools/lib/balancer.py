"""Starts and stops viaduct-lb in a host of a Farm, and asks it over its control socket."""
import json
import socket
import subprocess
import sys
import time

import telemetry
from build import TOP
from hosts import end_process
from topology import Farm

HASH_KEY = "6c1e1d0f9a8b47c2b3d4e5f60718293a"
# Configurations of connection IDs, all of them encrypted: number, bytes of server id and nonce, key.
IDS = {0: (4, 12, "8f95f09245765f80256934e50c66207f"), 1: (6, 10, "fdf726a9893ec05c0632d3956680baf0")}


def server_id(config, index):
    """What configuration `config` calls server `index`, in hexadecimal."""
    return f"{0x0b + config:02x}" * (IDS[config][0] - 1) + f"{index:02x}"


def origin_ids(config, index):
    """The [quic_lb] table of origin `index`."""
    _, nonce, key = IDS[config]
    return f'[quic_lb]\nid = {config}\nserver_id = "{server_id(config, index)}"\nnonce_length = {nonce}\nkey = "{key}"\n'


def backend(index, forwarding="direct", address=None, extra=""):
    """The [[pool.backend]] table of server `index`, s0 and so on."""
    return (f'[[pool.backend]]\nname = "s{index}"\naddress = "{address or Farm.server_addresses(index)[0]}"\n'
            f'forwarding = "{forwarding}"\nserver_ids = ["0:{server_id(0, index)}"]\n{extra}\n')


RETRY_KEY = 'key = "d2a1c7e40b6f9385124c7e90ab53f861"\niv = "5b0c6e2f9a7d13488cf0e1d2"\n'


class Balancer:
    """A running viaduct-lb; `backends` are [[pool.backend]] tables, `pool` goes in front of them."""

    def __init__(self, binary, farm, index, folder, backends, *, pool="", extra="", workers=1):
        host = farm.balancers[index]
        self.name = f"lb{index}"
        self.prefix = f"viaduct-{self.name}-{host.name}"
        self.log, self.config, self.socket = (folder / f"{self.name}.{end}" for end in ("log", "toml", "sock"))
        ipv4, ipv6 = Farm.balancer_addresses(index)
        server_id_length, nonce_length, key = IDS[0]
        self.config.write_text(f"""workers = {workers}
hash_key = "{HASH_KEY}"
{extra}
[eal]
file_prefix = "{self.prefix}"
hugepages = "off"

[control]
socket = "{self.socket}"

[flow_state]
entries = 65536

[[port]]
driver = "af_packet"
interface = "eth0"
addresses = ["{ipv4}/24", "{ipv6}/64"]
gateways = ["{Farm.GATEWAY}", "{Farm.GATEWAY6}"]

[[service]]
name = "web"
addresses = ["{Farm.SERVICE}:443", "[{Farm.SERVICE6}]:443"]
pool = "web"

[[quic_lb]]
id = 0
server_id_length = {server_id_length}
nonce_length = {nonce_length}
key = "{key}"

[[pool]]
name = "web"
{pool}
{"".join(backends)}""")
        self.output = open(self.log, "ab")
        self.process = host.start(str(binary), "--config", str(self.config), stdout=self.output, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL)

    def wait_ready(self, seconds=30):
        deadline = time.monotonic() + seconds
        while "forwarding for" not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None:
                raise RuntimeError(f"viaduct-lb ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"viaduct-lb is not ready after {seconds} s:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)
        return self

    def ask(self, command, **words):
        """A control command's answer; RuntimeError with what the balancer finds wrong."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"command": command, **words}).encode() + b"\n")
            answer = json.loads(connection.makefile("rb").readline())
        if not answer["ok"]:
            raise RuntimeError("; ".join(answer["errors"]))
        return answer

    def rows(self, what):
        return self.ask("show", what=what)["rows"]

    def packets(self):
        """Packets so far, by server and by how it was found: by CID, by table, by Maglev's hash."""
        found = {}
        for row in self.rows("backends"):
            packets = row["packets"]
            tables = sum(count for step, count in packets.items() if step.startswith("table"))
            found[row["backend"].split("/")[1]] = {"CID": packets["connection-id"], "table": tables, "Maglev": packets["hash"]}
        return found

    def rotate(self, config, servers):
        """Reads connection IDs of another configuration from now on."""
        server_id_length, nonce_length, key = IDS[config]
        self.ask("rotate", add={"id": config, "server_id_length": server_id_length, "nonce_length": nonce_length, "key": key,
                                "servers": {f"web/s{index}": server_id(config, index) for index in range(servers)}})

    def ctl(self, *words):
        """viaductctl, run to its end."""
        return subprocess.run([sys.executable, str(TOP / "apps/lb/viaductctl"), "--socket", str(self.socket), *map(str, words)],
                              text=True, capture_output=True, timeout=60)

    def tell(self, command):
        """A command of DPDK's telemetry, as numbers."""
        return {name: int(value) for name, value in telemetry.ask(self.prefix, command).items()}

    def stop(self):
        """SIGTERM, and its exit status."""
        status = end_process(self.process, patience=15)
        self.output.close()
        return status


def served(before, after):
    """Who got packets between two readings of packets(), and why, in words."""
    words = []
    for server, counts in after.items():
        new = {why: count - before.get(server, {}).get(why, 0) for why, count in counts.items()}
        reasons = ", ".join(f"{count} by {why}" for why, count in new.items() if count)
        words.append(f"{server}: {reasons or 'nothing'}")
    return "; ".join(words)


def add_up(readings):
    """Readings of several balancers as one."""
    total = {}
    for reading in readings:
        for server, counts in reading.items():
            row = total.setdefault(server, {})
            for why, count in counts.items():
                row[why] = row.get(why, 0) + count
    return total
