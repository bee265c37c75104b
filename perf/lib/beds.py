"""Where a server and the client meet: memif without a kernel between, or a virtual cable."""
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from build import build
from hosts import Cable, Host, Hugepages, end_process, run, wait_until
from load import Load, OriginMeter, ProcessMeter

SIZES = {"1KB.bin": 1024, "1GB.bin": 1 << 30}
# One core for the server, one for the client.
SERVER_CPU, CLIENT_CPU = (sorted(os.sched_getaffinity(0)) * 2)[:2]


class Site:
    """The folder that is served, in memory, and what else a run needs, removed at the end."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="viaduct-bench-", dir="/dev/shm"))
        self.folder.chmod(0o755)
        self.root = self.folder / "site"
        self.root.mkdir()
        block = os.urandom(1 << 20)
        for name, size in SIZES.items():
            with open(self.root / name, "wb") as file:
                for _ in range(max(1, size >> 20)):
                    file.write(block[:size])
        self.pages = Hugepages(900)

    def remove(self):
        self.pages.give_back()
        shutil.rmtree(self.folder, ignore_errors=True)


class Binaries:
    def __init__(self):
        folder = Path(os.environ["VIADUCT_BUILD"]) if "VIADUCT_BUILD" in os.environ else build("perf")
        self.origin = folder / "apps/origin/viaduct-origin"
        self.load = folder / "apps/load/viaduct-load"
        self.crypto = folder / "perf/crypto/bench-crypto"


ORIGIN = """workers = 1
idle = "poll"
pin = "never"
drain_limit = "5s"
[eal]
file_prefix = "{prefix}"
[[port]]
driver = "{driver}"
interface = "{interface}"
addresses = ["198.18.2.1/24"]
{port}
[tls]
certificate = "{folder}/certificate.pem"
key = "{folder}/key.pem"
[content]
root = "{root}"
store = "1200MiB"
upload = "/upload"
freshness = "60s"
[transport]
idle_timeout = "600s"
max_connections = {connections}
max_half_open = 4096
max_streams = 65536
max_udp_payload = 9000
connection_window = "64MiB"
stream_window = "16MiB"
"""


def start_origin(binaries, site, name, driver, interface, *, port="", connections=4096, host=None):
    """A process that serves, and its meter."""
    prefix = f"viaduct-bench-{name}"
    config, log = site.folder / f"{name}.toml", site.folder / f"{name}.log"
    config.write_text(ORIGIN.format(prefix=prefix, driver=driver, interface=interface, port=port, folder=site.folder,
                                    root=site.root, connections=connections))
    command = ["taskset", "-c", str(SERVER_CPU), str(binaries.origin), "--config", str(config), "--self-signed", "origin.example"]
    with open(log, "ab") as output:
        if host:
            process = host.start(*command, stdout=output, stderr=subprocess.STDOUT)
        else:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    wait_until(lambda: "serving on" in log.read_text(errors="replace") or process.poll() is not None, 60, f"{name} serves")
    if process.poll() is not None:
        raise RuntimeError(f"viaduct-origin ended:\n{log.read_text()[-2000:]}")
    return process, OriginMeter(prefix)


class Memif:
    """viaduct-origin on one core, viaduct-load on the other, and memory between them."""

    def __init__(self, binaries, site, mtu=1500, connections=4096):
        socket = site.folder / f"memif-{mtu}.sock"
        socket.unlink(missing_ok=True)
        port = f"mtu = {mtu}\npartial_checksums = true\nrx_descriptors = 2048\ntx_descriptors = 2048"
        self.process, self.meter = start_origin(binaries, site, f"memif-{mtu}", "memif", f"server:{socket}", port=port,
                                                connections=connections)
        self.load = Load(binaries.load, CLIENT_CPU, f"memif:client:{socket}", "198.18.2.2/24",
                         extra=("--mtu", str(mtu), "--partial-checksums", "--rx-descriptors", "2048", "--tx-descriptors", "2048"))
        self.origin = "https://198.18.2.1"

    def run(self, path, *options, **times):
        return self.load.run(self.meter, self.origin + path, *options, **times)

    def stop(self):
        end_process(self.process, patience=20)


class Lane:
    """server ── middle ── client: the middle cuts what a server's kernel left to the cable's segmentation offload, on
    the client's core, as a NIC and the far end would. Without offload, the server's own core cuts."""

    SERVER, CLIENT = "198.18.2.1", "198.18.3.2"

    def __init__(self, offload):
        tag = os.urandom(3).hex()
        self.server, self.middle, self.client = (Host(f"vb-{name}-{tag}") for name in ("server", "middle", "client"))
        Cable(self.server, "eth0", [], self.middle, "eth0", ["198.18.2.254/24"])
        Cable(self.middle, "eth1", ["198.18.3.254/24"], self.client, "eth0", [])
        self.middle.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for host, name in ((self.server, "eth0"), (self.middle, "eth0"), (self.middle, "eth1"), (self.client, "eth0")):
            host.run("ethtool", "-K", name, "gro", "off", "tso", "off", check=False)
        self.middle.run("ethtool", "-K", "eth1", "tx-udp-segmentation", "off", "tx", "off", check=False)
        self.server.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "on" if offload else "off", check=False)
        self.middle.run("sh", "-c", f"echo {1 << CLIENT_CPU:x} > /sys/class/net/eth0/queues/rx-0/rps_cpus", check=False)

    def give_server_its_address(self):
        self.server.run("ip", "addr", "add", f"{self.SERVER}/24", "dev", "eth0")
        self.server.run("ip", "route", "add", "default", "via", "198.18.2.254")

    def stop(self):
        for host in (self.client, self.middle, self.server):
            host.stop()


NGINX = """daemon off; worker_processes 1; worker_cpu_affinity {mask}; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 8192; }}
http {{ access_log off; sendfile on; keepalive_requests 100000000; open_file_cache max=100;
  server {{ listen 443 quic reuseport; quic_gso on; http3_stream_buffer_size 256k; http3_max_concurrent_streams 1024;
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; root {root}; }} }}
"""
CADDY = """{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2 h3
  }}
}}
:443 {{
  tls {folder}/certificate.pem {folder}/key.pem
  root * {root}
  file_server
}}
"""
HAPROXY = """global
  nbthread 1
  cpu-map 1 {cpu}
  limited-quic
  tune.bufsize 65536
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend h3
  bind quic4@198.18.2.1:443 ssl crt {folder}/both.pem alpn h3
  http-request return status 200 content-type application/octet-stream file {root}/1KB.bin
"""


class Peer:
    """A server that others wrote, tuned as its guide says: one worker, its segmentation offload where it has it."""

    def __init__(self, name, lane, site):
        self.name, self.lane = name, lane
        lane.give_server_its_address()
        values = {"folder": site.folder, "root": site.root, "mask": f"{1 << SERVER_CPU:b}", "cpu": SERVER_CPU}
        text, command = {"nginx": (NGINX, ["nginx", "-c"]), "caddy": (CADDY, ["caddy", "run", "--adapter", "caddyfile", "--config"]),
                         "haproxy": (HAPROXY, ["haproxy", "-db", "-f"])}[name]
        config = site.folder / f"{name}.conf"
        config.write_text(text.format(**values))
        (site.folder / "both.pem").write_text((site.folder / "certificate.pem").read_text() + (site.folder / "key.pem").read_text())
        environment = {**os.environ, "HOME": str(site.folder), "GOMAXPROCS": "1"}
        with open(site.folder / f"{name}.out", "wb") as log:
            self.process = lane.server.start("taskset", "-c", SERVER_CPU, *command, config, stdout=log,
                                             stderr=subprocess.STDOUT, env=environment)
        time.sleep(1.5)
        if self.process.poll() is not None:
            raise RuntimeError(f"{name} ended:\n{(site.folder / f'{name}.out').read_text()[-2000:]}")
        self.meter = ProcessMeter(self.pids())

    def pids(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            children = Path(f"/proc/{pid}/task/{pid}/children")
            todo += [int(word) for word in children.read_text().split()] if children.exists() else []
        return found

    def stop(self):
        end_process(self.process)
