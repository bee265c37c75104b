"""Our server's cells: viaduct-origin against curl, aioquic, Chromium and kdig."""
import subprocess

import chromium
from environments import OriginEnvironment, expect
from matrix import Cell
from peer_facts import curl_has_no_option, curl_lacks_feature, kdig_speaks_no_http3, program_lacks
from topology import Line

CHROMIUM = "/usr/lib/chromium/chromium"
LOSS = "loss=3%,longest-loss=3,delay=5ms"
CORRUPTION = "corruption=3%,longest-loss=3,delay=5ms"
HANDSHAKE_LOSS = "loss=30%,longest-loss=3,delay=2ms"
DISORDER = "reordering=3%,hold-back=3ms,duplication=3%,delay=5ms"
NARROW = "rate=10M,queue=25,delay=15ms"


# --- curl ---

def curl_file(name, *options):
    def action(environment):
        length, total = environment.files[name]
        out = environment.folder / f"curl-{name}"
        done = environment.curl().raw(f"/{name}", "-o", out, "-w", "%{time_total}", *options, timeout=90)
        got = environment.run(environment.line.client, "sha256sum", out).split()[0]
        out.unlink()
        expect(got == total, f"{name}: the sums differ")
        return f"{length} bytes, sums agree, {float(done.stdout):.2f} s"
    return action


def curl_suite(name):
    def action(environment):
        done = environment.curl().raw("/1m.bin", "-o", "/dev/null", "--verbose", "--tls13-ciphers", name)
        expect(name.encode() in done.stderr, "curl does not say that it is used")
        return name
    return action


def curl_streams(environment):
    """More requests at once than curl's own idea of a connection's first streams."""
    curl = environment.curl()
    count = 200
    command = [*curl.base, "--parallel", "--parallel-max", str(count), "--parallel-immediate"]
    for i in range(count):
        command += ["-o", str(environment.folder / f"stream-{i}"), f"{curl.origin}/1k.bin"]
    environment.run(environment.line.client, *command)
    want = (environment.folder / "www/1k.bin").read_bytes()
    for i in range(count):
        expect((environment.folder / f"stream-{i}").read_bytes() == want, f"answer {i} differs")
    return f"{count} requests at once"


def curl_rebinding(environment):
    before = environment.number("/viaduct/connections", "path_changes")
    port, count = 27000, 3
    transfer = environment.curl().start("/10m.bin", "-o", "/dev/null", "--limit-rate", "4M", "--local-port", port)
    for i in range(count):
        try:
            transfer.wait(0.6)
        except subprocess.TimeoutExpired:
            environment.line.rewrite_source_port(port, port + 100 + i)
    _, errors = transfer.communicate(timeout=60)
    expect(transfer.returncode == 0, errors.decode().strip())
    changes = environment.number("/viaduct/connections", "path_changes") - before
    expect(changes == count, f"{changes} changes of path counted, {count} made")
    return f"{count} new ports in a transfer, {changes} counted"


def curl_handshakes(count):
    def action(environment):
        for _ in range(count):
            curl_file("1k.bin")(environment)
        return f"{count} connections, one after the other"
    return action


def curl_brings_no_token(environment):
    """Each of its connections is asked for its address."""
    before = environment.number("/viaduct/connections", "retries_sent")
    curl_handshakes(2)(environment)
    return environment.number("/viaduct/connections", "retries_sent") - before >= 2


def curl_upload(environment):
    """The origin counts what comes, and drops it."""
    length, _ = environment.files["100m.bin"]
    before = environment.number("/viaduct/connections", "bytes_received")
    status, _, _ = environment.curl().get("/upload", "-X", "POST", "-T", environment.folder / "www/100m.bin", "-H", "Expect:",
                                          timeout=90)
    expect(200 <= status < 300, f"status {status}")
    received = environment.number("/viaduct/connections", "bytes_received") - before
    expect(received > length, f"{received} bytes received")
    return f"{length} bytes taken, status {status}"


def curl_ipv6(environment):
    status, _, body = environment.curl(Line.ORIGIN6).get("/1m.bin")
    expect(status == 200 and len(body) == environment.files["1m.bin"][0], f"status {status}, {len(body)} bytes")
    return "1 MB over IPv6"


# --- kdig ---

def kdig_refused(environment):
    """DNS over QUIC has a protocol name that this server does not serve: it must say so, and at once."""
    done = subprocess.run(environment.line.client.command(
        "kdig", f"@{Line.ORIGIN}", "-p", "443", "+quic", "+time=5", "+retry=0", "example.org"),
        text=True, capture_output=True, timeout=30)
    said = done.stdout + done.stderr
    expect(done.returncode != 0, "kdig got an answer")
    expect("timeout" not in said.lower(), f"kdig had to wait for its timeout: {said[-200:]}")
    return "no protocol in common: closed with an alert, not by silence"


# --- aioquic ---

def aioquic(case, name="1k.bin", **options):
    return lambda environment: environment.aioquic(case, name, **options)


def marked(action):
    """The action, with a look at the ECN codepoints of what the origin sends."""
    def with_marks(environment):
        environment.line.watch_ecn()
        detail = action(environment)
        seen = environment.line.ecn_seen()
        expect(seen["ect0"] > 0, f"no packet of the origin's has ECT(0): {seen}")
        expect(seen["ect1"] == seen["ce"] == 0, f"other marks out of nothing: {seen}")
        return f"{seen['ect0']} packets with ECT(0), {seen['not-ect']} without; {detail}"
    return with_marks


def impaired(faults, action):
    """The action while the cable has these faults."""
    def with_faults(environment):
        environment.box.order(f"both {faults}")
        try:
            detail = action(environment)
            counters = environment.box.counters()
        finally:
            environment.box.order("both")
        hurt = {key: counters["forward"][key] + counters["back"][key]
                for key in ("lost", "corrupted", "reordered", "duplicated", "dropped_by_queue", "marked")}
        hurt = {key: count for key, count in hurt.items() if count}
        expect(hurt or "rate" in faults, f"{faults}: nothing was hurt")
        return f"{detail}; " + ", ".join(f"{count} {key.replace('_', ' ')}" for key, count in hurt.items())
    return with_faults


def server_environments():
    def cell(peer, case, action=None, **options):
        return Cell("server", peer, case, action, **options)

    plain = [
        cell("curl", "handshake", curl_file("1k.bin")),
        cell("curl", "transfer 1 MB", curl_file("1m.bin")),
        cell("curl", "transfer 100 MB", curl_file("100m.bin")),
        cell("curl", "upload", curl_upload),
        cell("curl", "many streams", curl_streams),
        cell("curl", "IPv6", curl_ipv6),
        cell("curl", "ChaCha20", curl_suite("TLS_CHACHA20_POLY1305_SHA256")),
        cell("curl", "AES-256", curl_suite("TLS_AES_256_GCM_SHA384")),
        cell("curl", "rebinding", curl_rebinding),
        cell("curl", "ECN, our marks", marked(curl_file("1m.bin"))),
        cell("curl", "resumption", impossible="this curl cannot keep TLS sessions beyond one run, and has one connection "
             "to a host in it", check=curl_lacks_feature("SSLS-EXPORT")),
        cell("curl", "0-RTT", impossible="OpenSSL's QUIC client has no early data, and this curl keeps no sessions",
             check=curl_lacks_feature("SSLS-EXPORT")),
        cell("curl", "key update", impossible="curl has no option for it", check=curl_has_no_option("key-update")),
        *(cell("curl", case, impossible="OpenSSL's QUIC client knows version 1 only", check=curl_has_no_option("quic-version"))
          for case in ("QUIC v2", "version negotiation", "compatible versions")),
        cell("curl", "connection IDs", impossible="OpenSSL's QUIC client changes connection IDs where it is told to only",
             check=curl_has_no_option("connection-id")),
        cell("curl", "ECN", impossible="OpenSSL's QUIC client marks nothing", check=curl_has_no_option("ecn")),
        cell("curl", "migration", impossible="OpenSSL's QUIC client does not migrate by itself",
             check=curl_has_no_option("migrat")),
        # Its ClientHello has ciphers, groups, extensions and parameters that do not exist.
        # proves RFC 9001 5.3-2
        cell("Chromium", "handshake", chromium.page(["1k.bin"])),
        cell("Chromium", "transfer 1 MB", chromium.page(["1m.bin"])),
        cell("Chromium", "many streams", chromium.page([f"1k.bin?{i}" for i in range(100)])),
        cell("Chromium", "transfer 100 MB", chromium.page(["100m.bin"])),
        cell("Chromium", "upload", chromium.upload),
        cell("Chromium", "IPv6", chromium.page(["1m.bin"], address=f"[{Line.ORIGIN6}]")),
        cell("Chromium", "ECN, our marks", marked(chromium.page(["1m.bin"]))),
        *(cell("Chromium", case, impossible="Chromium keeps sessions in memory, and has one connection to a host while it "
               "runs", check=chromium.keeps_no_sessions) for case in ("resumption", "0-RTT")),
        *(cell("Chromium", case, impossible="Chromium has no option for the suites of TLS 1.3",
               check=program_lacks(CHROMIUM, "tls13-ciphers", "tls13-cipher-suites")) for case in ("ChaCha20", "AES-256")),
        *(cell("Chromium", case, impossible="Chromium changes and uses up connection IDs where it migrates only",
               check=program_lacks(CHROMIUM, "quic-change-connection-id")) for case in ("connection IDs",)),
        cell("Chromium", "ECN", impossible="Chromium marks its packets by a trial of its makers only",
             check=program_lacks(CHROMIUM, "enable-quic-ecn")),
        cell("Chromium", "key update", impossible="Chromium updates keys after so many packets only",
             check=program_lacks(CHROMIUM, "quic-key-update")),
        cell("kdig", "handshake", kdig_refused),
    ]
    scripted = [
        cell("aioquic", "handshake", aioquic("handshake")),
        cell("aioquic", "transfer 1 MB", aioquic("transfer", "1m.bin")),
        cell("aioquic", "transfer 100 MB", aioquic("transfer", "100m.bin", seconds=120)),
        cell("aioquic", "upload", aioquic("upload", size=10_000_000)),
        cell("aioquic", "many streams", aioquic("streams", count=300)),
        cell("aioquic", "resumption", aioquic("resumption")),
        cell("aioquic", "0-RTT", aioquic("zero-rtt")),
        cell("aioquic", "key update", aioquic("key-update")),
        cell("aioquic", "ChaCha20", aioquic("chacha20")),
        cell("aioquic", "AES-256", aioquic("aes256")),
        cell("aioquic", "QUIC v2", aioquic("v2")),
        cell("aioquic", "version negotiation", aioquic("version-negotiation")),
        cell("aioquic", "connection IDs", aioquic("connection-ids")),
        cell("aioquic", "rebinding", aioquic("rebinding", "10m.bin")),
        cell("aioquic", "migration", aioquic("migration", "10m.bin")),
        # aioquic marks nothing itself: the case sets the codepoint of its socket.
        cell("aioquic", "ECN", aioquic("ecn", "1m.bin")),
        # aioquic reports no marks, so that the origin must stop marking.
        cell("aioquic", "ECN, our marks", marked(aioquic("transfer", "1m.bin"))),
        cell("aioquic", "IPv6", aioquic("transfer", "1m.bin", address=Line.ORIGIN6)),
    ]
    hurt = [
        cell("curl", "loss", impaired(LOSS, curl_file("1m.bin"))),
        cell("curl", "corruption", impaired(CORRUPTION, curl_file("1m.bin"))),
        cell("curl", "disorder", impaired(DISORDER, curl_file("10m.bin"))),
        cell("curl", "narrow path", impaired(NARROW, curl_file("1m.bin"))),
        cell("aioquic", "loss", impaired(LOSS, aioquic("transfer", "1m.bin"))),
        cell("aioquic", "corruption", impaired(CORRUPTION, aioquic("transfer", "1m.bin"))),
        cell("aioquic", "disorder", impaired(DISORDER, aioquic("transfer", "1m.bin"))),
        cell("aioquic", "narrow path", impaired(NARROW, aioquic("transfer", "1m.bin"))),
        cell("aioquic", "handshakes, loss", impaired(HANDSHAKE_LOSS, aioquic("many-handshakes", count=20, seconds=80))),
        cell("curl", "handshakes, loss", impaired(HANDSHAKE_LOSS, curl_handshakes(5))),
        cell("Chromium", "loss", impaired(LOSS, chromium.page(["1m.bin"]))),
        cell("Chromium", "corruption", impaired(CORRUPTION, chromium.page(["1m.bin"]))),
        cell("Chromium", "disorder", impaired(DISORDER, chromium.page(["1m.bin"]))),
        cell("Chromium", "narrow path", impaired(NARROW, chromium.page(["1m.bin"]))),
        cell("Chromium", "handshakes, loss", impaired(HANDSHAKE_LOSS, chromium.page(["1k.bin"]))),
        cell("Chromium", "rebinding", chromium.in_a_transfer(chromium.new_port, 1)),
        cell("Chromium", "migration", chromium.in_a_transfer(chromium.dead_port, 1)),
    ]
    retry = [
        cell("curl", "Retry", curl_file("1k.bin")),
        *(cell(peer, "NEW_TOKEN", impossible=f"{peer} brings no token of a run before", check=check)
          for peer, check in (("curl", curl_brings_no_token), ("Chromium", chromium.keeps_no_sessions))),
        cell("aioquic", "Retry", aioquic("retry")),
        cell("aioquic", "NEW_TOKEN", aioquic("new-token")),
        cell("Chromium", "Retry", chromium.page(["1k.bin"])),
    ]
    tuned = [
        cell("aioquic", "compatible versions", aioquic("compatible-versions")),
        cell("aioquic", "our key updates", aioquic("peers-key-update", "10m.bin")),
        *(cell("Chromium", case, impossible="this Chromium speaks version 1 only", check=chromium.version_2)
          for case in ("QUIC v2", "compatible versions", "version negotiation")),
        cell("curl", "our key updates", curl_file("10m.bin")),
        cell("Chromium", "our key updates", chromium.page(["10m.bin"])),
    ]
    known = list(dict.fromkeys(one.case for one in plain + scripted + hurt + retry + tuned))
    plain += [cell("kdig", case, impossible="kdig's QUIC (ngtcp2) speaks DNS only, with the protocol name doq",
                   check=kdig_speaks_no_http3) for case in known if case != "handshake"]
    return [
        OriginEnvironment("origin", plain),
        OriginEnvironment("origin for scripts", scripted),
        # OpenSSL's client waits a second before it says anything again, then two, four, eight.
        OriginEnvironment("origin behind faults", hurt, with_box=True, extra='transport = { handshake_timeout = "60s" }'),
        OriginEnvironment("origin that validates addresses", retry, extra='transport = { retry = "always" }'),
        OriginEnvironment("origin that prefers v2 and new keys", tuned,
                          extra='transport = { preferred_version = "v2", key_update_after = 1000 }'),
    ]
