"""Our client's cells: viaduct-load against nginx, Caddy, HAProxy and aioquic."""
import hashlib
import json
import subprocess

from build import TOP
from environments import BUILD, Environment, expect
from impair import Impairment
from matrix import Cell
from peer_facts import haproxy_uses_the_compatibility_layer, program_lacks, sends
from server_cells import CORRUPTION, DISORDER, LOSS, NARROW, impaired
from servers import SERVERS
from topology import Pair

NGINX, CADDY, HAPROXY = "/usr/sbin/nginx", "/usr/bin/caddy", "/usr/sbin/haproxy"


class ServerEnvironment(Environment):
    """A server of others in a kernel's host, and at the other end viaduct-load, whose port is DPDK's."""

    def __init__(self, name, server, cells, options="", *, with_box=False, dpdk_client=True):
        super().__init__(name, cells)
        self.server, self.options, self.with_box, self.dpdk_client = server, options, with_box, dpdk_client

    def start(self):
        super().start()
        self.folder.chmod(0o755)
        self.certificate = self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.folder / "key.pem", "-out", self.certificate, "-days", "30",
                        "-subj", "/CN=origin.example", "-addext", "subjectAltName=DNS:origin.example"],
                       check=True, capture_output=True)
        self.pair = Pair(dpdk=False, dpdk_client=self.dpdk_client, with_box=self.with_box)
        self.stops.append(self.pair.stop)
        if self.with_box:
            self.box = Impairment(BUILD / "tools/impair/viaduct-impair", self.pair.box, self.folder)
            self.stops.append(self.box.stop)
        for started in SERVERS[self.server](self.pair.server, self.folder, self.options):
            self.stops.append(started.stop)
            self.process = started

    def load_command(self, *words):
        return [BUILD / "apps/load/viaduct-load", "--port", "af_packet:eth0", "--address", f"{Pair.CLIENT}/24", "--to",
                Pair.SERVER, "--ca-file", self.certificate, "--hugepages", "off", "--idle-policy", "adaptive",
                "--file-prefix", f"viaduct-{self.pair.client.name}", *words]

    def load(self, *words, seconds=80):
        """Runs viaduct-load, which gives up after so many seconds itself."""
        return self.run(self.pair.client, *self.load_command("--duration", seconds, *words), seconds=seconds + 5)

    def parameters(self):
        """Transport parameters of the server; for an environment whose client's host is the kernel's."""
        return json.loads(self.run(self.pair.client, "/usr/bin/python3", TOP / "tests/interop/peers/aioquic_parameters.py",
                                   Pair.SERVER, self.certificate))

    def facts(self):
        """aioquic's account of the connection that ended last."""
        return json.loads(self.process.text().strip().splitlines()[-1])

    def check_fetched(self, name):
        length, total = self.files[name]
        out = self.folder / f"fetched-{name}"
        with open(out, "rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        out.unlink()
        expect(got == total, f"{name}: the sums differ")
        return f"{length} bytes, sums agree"

    def fetch_words(self, name):
        return [f"https://origin.example/{name}", "--save", self.folder / f"fetched-{name}"]


def fetch(name, *options, seconds=80):
    def action(environment):
        environment.load(*environment.fetch_words(name), *options, seconds=seconds)
        return environment.check_fetched(name)
    return action


def chacha20(environment):
    fetch("1m.bin", "--ciphers", "TLS_CHACHA20_POLY1305_SHA256")(environment)
    return "the only suite that was offered"


def upload_to_nginx(environment):
    environment.load("https://origin.example/upload/new.bin", "--method", "PUT", "--upload", "10MB", "--save",
                     environment.folder / "answer")
    size = (environment.folder / "www/upload/new.bin").stat().st_size
    expect(size == 10_000_000, f"{size} bytes arrived")
    return "10 MB by PUT"


def upload_to_aioquic(environment):
    answer = environment.folder / "answer"
    environment.load("https://origin.example/upload", "--upload", "1MB", "--save", answer)
    expect(answer.read_text().split()[0] == "1000000", f"the server says: {answer.read_text()}")
    return "1 MB by POST"


def many_streams(environment):
    environment.load("https://origin.example/1k.bin", "--connections", "1", "--in-flight", "100", "--total", "900",
                     "--warm-up", "0")
    return "900 requests, 100 at a time"


def many_handshakes(environment):
    environment.load("https://origin.example/1k.bin", "--handshakes", "--connections", "4", "--total", "50",
                     "--requests-per-connection", "1", "--warm-up", "0")
    return "50 connections, 4 at a time"


def key_update_of_aioquic(environment):
    environment.load("https://origin.example/1k.bin", "--connections", "1", "--in-flight", "1", "--total", "20",
                     "--warm-up", "0")
    phases = environment.facts()["key_phases"]
    expect(phases == [0, 1], f"the server saw phases {phases}")
    return "20 updates by the server, followed"


def rebinding(environment):
    """A new port in the middle of a transfer, which the path makes last for two seconds."""
    name = "10m.bin"
    environment.box.order("both rate=40M,delay=2ms")
    process = environment.pair.client.start(*environment.load_command("--duration", 80, *environment.fetch_words(name)),
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        process.wait(1.2)
    except subprocess.TimeoutExpired:
        environment.box.order("rebind")
    said, _ = process.communicate(timeout=90)
    environment.box.order("both")
    expect(process.returncode == 0, said.strip()[-200:])
    expect(environment.box.counters()["forward"]["translated"] > 0, "no port was changed")
    return f"a new port in a transfer; {environment.check_fetched(name)}"


def does_not_follow_others_either(environment):
    """Another client that moves in a transfer, aioquic, is left alone by this server too."""
    length, total = environment.files["1m.bin"]
    words = ["path=/1m.bin", f"length={length}", f"sum={total}", "seconds=6"]
    try:
        environment.run(environment.pair.client, "/usr/bin/python3", TOP / "tests/interop/peers/aioquic_client.py", "rebinding",
                        Pair.SERVER, environment.certificate, *words)
    except RuntimeError:
        return True
    return False


def common_cells(cell):
    return [cell("handshake", fetch("1k.bin")), cell("transfer 1 MB", fetch("1m.bin")),
            cell("transfer 100 MB", fetch("100m.bin")), cell("many streams", many_streams),
            cell("many handshakes", many_handshakes), cell("ChaCha20", chacha20),
            cell("resumption", not_yet="viaduct-load keeps no session tickets"),
            cell("ECN", not_yet="viaduct-load does not tell what became of its marks")]


EARLY_DATA = {"not_yet": "viaduct-load keeps no session tickets, and sends nothing early"}
VERSION_2 = {"not_yet": "viaduct-load begins with version 1 and has no option for another"}
MIGRATION = {"not_yet": "viaduct-load changes ports as a NAT would, with the same connection IDs"}


def faulty_cells(cell):
    return [cell("loss", impaired(LOSS, fetch("1m.bin"))), cell("corruption", impaired(CORRUPTION, fetch("1m.bin"))),
            cell("disorder", impaired(DISORDER, fetch("1m.bin"))), cell("narrow path", impaired(NARROW, fetch("1m.bin")))]


def cell_of(peer):
    return lambda case, action=None, **options: Cell("client", peer, case, action, **options)


def nginx_environments():
    cell = cell_of("nginx")
    return [
        ServerEnvironment("nginx", "nginx", [
            *common_cells(cell),
            cell("upload", upload_to_nginx),
            cell("0-RTT", **EARLY_DATA),
            cell("migration", **MIGRATION),
            cell("key update", impossible="nginx never begins one", check=program_lacks(NGINX, "key_update")),
            cell("QUIC v2", impossible="nginx knows version 1 only", check=program_lacks(NGINX, "quicv2 key")),
        ]),
        ServerEnvironment("nginx that validates addresses", "nginx", [
            cell("Retry", fetch("1k.bin", seconds=10), not_yet="the client follows no Retry")], "quic_retry on;"),
        ServerEnvironment("nginx behind faults", "nginx", [*faulty_cells(cell), cell("rebinding", rebinding)], with_box=True),
    ]


def caddy_environments():
    cell = cell_of("Caddy")
    return [
        ServerEnvironment("Caddy", "Caddy", [
            *common_cells(cell),
            cell("0-RTT", **EARLY_DATA),
            cell("QUIC v2", **VERSION_2),
            # quic-go begins one after its first hundred packets.
            cell("key update", fetch("10m.bin")),
            cell("Retry", impossible="Caddy has no option for it; quic-go asks for it under load only",
                 check=program_lacks(CADDY, "force_retry", "quic_retry")),
        ]),
        ServerEnvironment("Caddy behind faults", "Caddy", [*faulty_cells(cell), cell("rebinding", rebinding)], with_box=True),
        ServerEnvironment("Caddy for a kernel's client", "Caddy", [
            cell("migration", impossible="quic-go as server sends disable_active_migration",
                 check=sends("disable_active_migration"))], dpdk_client=False),
    ]


def haproxy_environments():
    cell = cell_of("HAProxy")
    return [
        ServerEnvironment("HAProxy", "HAProxy", [
            *common_cells(cell),
            cell("QUIC v2", **VERSION_2),
            cell("0-RTT", impossible="HAProxy's layer over OpenSSL has no early data",
                 check=haproxy_uses_the_compatibility_layer),
        ]),
        ServerEnvironment("HAProxy that validates addresses", "HAProxy", [
            cell("Retry", fetch("1k.bin", seconds=10), not_yet="the client follows no Retry")], "quic-force-retry"),
        ServerEnvironment("HAProxy behind faults", "HAProxy", faulty_cells(cell), with_box=True),
        ServerEnvironment("HAProxy for a kernel's client", "HAProxy", [
            cell("rebinding", impossible="HAProxy goes on sending to the client's old port",
                 check=does_not_follow_others_either),
            cell("migration", impossible="HAProxy sends disable_active_migration",
                 check=sends("disable_active_migration"))], dpdk_client=False),
    ]


def aioquic_environments():
    cell = cell_of("aioquic")
    return [
        ServerEnvironment("aioquic", "aioquic", [
            *common_cells(cell),
            cell("upload", upload_to_aioquic),
            cell("0-RTT", **EARLY_DATA),
            cell("QUIC v2", **VERSION_2),
            cell("migration", **MIGRATION),
        ]),
        ServerEnvironment("aioquic that updates keys", "aioquic", [cell("key update", key_update_of_aioquic)], "key-update"),
        ServerEnvironment("aioquic that validates addresses", "aioquic", [
            cell("Retry", fetch("1k.bin", seconds=10), not_yet="the client follows no Retry")], "retry"),
        ServerEnvironment("aioquic of version 2", "aioquic", [
            cell("version negotiation", fetch("1k.bin", seconds=10), not_yet="the client offers version 1 only")], "v2-only"),
        ServerEnvironment("aioquic behind faults", "aioquic", [*faulty_cells(cell), cell("rebinding", rebinding)],
                          with_box=True),
    ]


def client_environments():
    return [*aioquic_environments(), *nginx_environments(), *caddy_environments(), *haproxy_environments()]
