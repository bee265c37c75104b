"""Our client's cells: viaduct-load against nginx, Caddy, HAProxy and aioquic."""
import hashlib
import json
import subprocess

from build import TOP
from environments import BUILD, Environment, expect
from impair import Impairment
from matrix import Cell
from peer_facts import haproxy_uses_the_compatibility_layer, program_lacks, sends
from server_cells import CORRUPTION, DISORDER, HANDSHAKE_LOSS, LOSS, NARROW, impaired
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

    def load_command(self, *words, over=4):
        ours, theirs = (f"{Pair.CLIENT}/24", Pair.SERVER) if over == 4 else (f"{Pair.CLIENT6}/64", Pair.SERVER6)
        return [BUILD / "apps/load/viaduct-load", "--port", "af_packet:eth0", "--address", ours, "--to", theirs,
                "--ca-file", self.certificate, "--hugepages", "off", "--idle-policy", "adaptive",
                "--file-prefix", f"viaduct-{self.pair.client.name}", *words]

    def load(self, *words, seconds=80, over=4):
        """Runs viaduct-load, which gives up after so many seconds itself; what it says of its connections."""
        results = self.folder / "results.json"
        command = self.load_command("--duration", seconds, "--json", results, *words, over=over)
        self.run(self.pair.client, *command, seconds=seconds + 5)
        return json.loads(results.read_text())["quic"]

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


def suite(name):
    def action(environment):
        fetch("1m.bin", "--ciphers", name)(environment)
        return "the only suite that was offered"
    return action


def counted(name, counter, least, *options, most=None):
    """A file, and how often our client says that something happened meanwhile."""
    def action(environment):
        count = environment.load(*environment.fetch_words(name), *options, seconds=30)[counter]
        expect(least <= count <= (count if most is None else most), f"{counter}: {count}")
        return f"{counter} {count}; {environment.check_fetched(name)}"
    return action


def one_after_the_other(environment, *options, count=5):
    """Connections, each with one request, that know of those before."""
    return environment.load("https://origin.example/1k.bin", "--handshakes", "--connections", "1", "--total", count,
                            "--requests-per-connection", "1", "--warm-up", "0", "--resume", *options, seconds=20)


def resumption(environment):
    resumed = one_after_the_other(environment)["handshakes_resumed"]
    expect(resumed == 4, f"{resumed} of 4 were resumed")
    return "4 handshakes without a certificate, after a whole one"


def early_data(environment):
    seen = one_after_the_other(environment, "--early-data")
    # A connection that is answered early may end before its own ticket comes: the next one then begins anew.
    expect(seen["early_data_offered"] >= 2 and seen["early_data_rejected"] == 0, f"{seen}")
    return f"{seen['early_data_offered']} requests in 0-RTT, and none refused"


def allows_no_early_data(environment):
    """Sessions are resumed, by tickets that say nothing of it."""
    seen = one_after_the_other(environment, "--early-data")
    return seen["handshakes_resumed"] > 0 and seen["early_data_offered"] == 0


def new_token(environment):
    retries = one_after_the_other(environment)["retries_followed"]
    expect(retries == 1, f"{retries} Retry packets")
    return "a Retry for the first of 5 connections alone"


def gives_no_token(environment):
    return one_after_the_other(environment)["retries_followed"] == 5


def moves_in_a_transfer(environment):
    """New ports, as often as both sides have connection IDs for it, on a path that makes the transfer last for two seconds."""
    environment.box.order("both rate=40M,delay=2ms")
    try:
        words = environment.fetch_words("10m.bin")
        return environment.load(*words, "--migrations", "2", "--migrate-as", "active", seconds=30)["paths_changed"]
    finally:
        environment.box.order("both")


def answers_on_one_path_only(environment):
    """Our client looks at a path before it goes there."""
    return moves_in_a_transfer(environment) == 0


def migration(environment):
    moves = moves_in_a_transfer(environment)
    expect(moves >= 1, f"{moves} moves")  # nginx holds two IDs of ours, and keeps one for the path before
    return f"{moves} moves in a transfer, with new connection IDs; {environment.check_fetched('10m.bin')}"


def reports_no_ecn(environment):
    """Our client marks its packets, and hears nothing of it."""
    seen = environment.load(*environment.fetch_words("1m.bin"), seconds=30)
    environment.check_fetched("1m.bin")
    return (seen["ecn_validated"], seen["ecn_failed"]) == (0, 1)


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


def over_ipv6(environment):
    environment.load(*environment.fetch_words("1m.bin"), seconds=30, over=6)
    return environment.check_fetched("1m.bin")


def stays_in_version_1(environment):
    """Our client asks for version 2."""
    words = environment.fetch_words("1k.bin")
    return environment.load(*words, "--quic-version", "v1-then-v2", seconds=10)["versions_changed"] == 0


def takes_version_2(environment):
    return quic_v2("1k.bin")(environment) != ""


def begins_no_key_update(environment):
    return environment.load(*environment.fetch_words("10m.bin"), seconds=30)["key_updates_followed"] == 0


def many_streams(environment):
    environment.load("https://origin.example/1k.bin", "--connections", "1", "--in-flight", "100", "--total", "900",
                     "--warm-up", "0")
    return "900 requests, 100 at a time"


def many_handshakes(count, *options):
    def action(environment):
        environment.load("https://origin.example/1k.bin", "--handshakes", "--connections", "4", "--total", count,
                         "--requests-per-connection", "1", "--warm-up", "0", *options)
        return f"{count} connections, 4 at a time"
    return action


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
            cell("many handshakes", many_handshakes(50)), cell("ChaCha20", suite("TLS_CHACHA20_POLY1305_SHA256")),
            cell("AES-256", suite("TLS_AES_256_GCM_SHA384")), cell("resumption", resumption),
            cell("scrambled Initials", fetch("1k.bin", "--scramble-initials")),
            cell("IPv6", over_ipv6),
            # Most of our packets are acknowledgements.
            cell("our key updates", counted("10m.bin", "key_updates_followed", 3, "--key-update-after", "50"))]


def quic_v2(name):
    return counted(name, "versions_changed", 0, "--quic-version", "v2", most=0)


COMPATIBLE = counted("1k.bin", "versions_changed", 1, "--quic-version", "v1-then-v2")


def deaf_to_marks(peer):
    return {"impossible": f"{peer} reports no ECN counts; our client finds that out and stops marking",
            "check": reports_no_ecn}


def faulty_cells(cell):
    return [cell("loss", impaired(LOSS, fetch("1m.bin"))), cell("corruption", impaired(CORRUPTION, fetch("1m.bin"))),
            cell("disorder", impaired(DISORDER, fetch("1m.bin"))), cell("narrow path", impaired(NARROW, fetch("1m.bin"))),
            # Three losses in a row, as often as they like, double both ends' timeouts to well over ten seconds.
            cell("handshakes, loss", impaired(HANDSHAKE_LOSS, many_handshakes(16, "--handshake-timeout", "60")))]


def cell_of(peer):
    return lambda case, action=None, **options: Cell("client", peer, case, action, **options)


def nginx_environments():
    cell = cell_of("nginx")
    return [
        ServerEnvironment("nginx", "nginx", [
            *common_cells(cell),
            cell("upload", upload_to_nginx),
            cell("ECN", **deaf_to_marks("nginx")),
            cell("0-RTT", impossible="nginx's layer over OpenSSL has no early data", check=allows_no_early_data),
            cell("key update", impossible="nginx never begins one", check=program_lacks(NGINX, "key_update")),
            *(cell(case, impossible="nginx knows version 1 only", check=program_lacks(NGINX, "quicv2 key"))
              for case in ("QUIC v2", "compatible versions")),
            cell("version negotiation", counted("1k.bin", "versions_changed", 1, "--quic-version", "v2")),
        ]),
        ServerEnvironment("nginx that validates addresses", "nginx", [
            cell("Retry", counted("1k.bin", "retries_followed", 1)), cell("NEW_TOKEN", new_token)], "quic_retry on;"),
        ServerEnvironment("nginx behind faults", "nginx", [
            *faulty_cells(cell), cell("rebinding", rebinding), cell("migration", migration)], with_box=True),
    ]


def caddy_environments():
    cell = cell_of("Caddy")
    return [
        ServerEnvironment("Caddy", "Caddy", [
            *common_cells(cell),
            # It hides its socket from quic-go, which could report them.
            cell("ECN", **deaf_to_marks("Caddy")),
            cell("upload", upload_to_nginx),
            cell("0-RTT", early_data),
            # Of one packet: quic-go updates its keys after a hundred, with the label of version 1 (RFC 9369 section 3.3.1).
            cell("QUIC v2", quic_v2("1k.bin")),
            # quic-go begins one after its first hundred packets.
            cell("key update", fetch("10m.bin")),
            *(cell(case, impossible="Caddy has no option for Retry; quic-go sends it under load only",
                   check=program_lacks(CADDY, "force_retry", "quic_retry")) for case in ("Retry", "NEW_TOKEN")),
            cell("version negotiation", impossible="quic-go speaks both versions that our client does", check=takes_version_2),
            cell("compatible versions", impossible="quic-go stays in the version that a client begins with",
                 check=stays_in_version_1),
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
            cell("ECN", **deaf_to_marks("HAProxy")),
            cell("QUIC v2", quic_v2("1m.bin")),
            cell("0-RTT", impossible="HAProxy's layer over OpenSSL has no early data",
                 check=haproxy_uses_the_compatibility_layer),
            cell("upload", upload_to_nginx),
            cell("key update", impossible="HAProxy never begins one", check=begins_no_key_update),
            cell("version negotiation", impossible="HAProxy speaks both versions that our client does", check=takes_version_2),
            cell("compatible versions", COMPATIBLE),
        ]),
        ServerEnvironment("HAProxy that validates addresses", "HAProxy", [
            cell("Retry", counted("1k.bin", "retries_followed", 1)),
            cell("NEW_TOKEN", impossible="this HAProxy gives clients no tokens", check=gives_no_token)], "quic-force-retry"),
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
            cell("ECN", **deaf_to_marks("aioquic")),
            cell("0-RTT", early_data),
            cell("QUIC v2", quic_v2("1m.bin")),
            cell("compatible versions", COMPATIBLE),
        ]),
        ServerEnvironment("aioquic that updates keys", "aioquic", [cell("key update", key_update_of_aioquic)], "key-update"),
        ServerEnvironment("aioquic that validates addresses", "aioquic", [
            cell("Retry", counted("1k.bin", "retries_followed", 1)),
            cell("NEW_TOKEN", impossible="aioquic as server gives clients no tokens", check=gives_no_token)], "retry"),
        ServerEnvironment("aioquic of version 2", "aioquic", [
            cell("version negotiation", counted("1k.bin", "versions_changed", 1))], "v2-only"),
        ServerEnvironment("aioquic behind faults", "aioquic", [
            *faulty_cells(cell), cell("rebinding", rebinding),
            cell("migration", impossible="aioquic answers a challenge on the path in use alone, so that no other can be tried",
                 check=answers_on_one_path_only)], with_box=True),
    ]


def client_environments():
    return [*aioquic_environments(), *nginx_environments(), *caddy_environments(), *haproxy_environments()]
