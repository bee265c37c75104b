"""Our server's cells: viaduct-origin against curl, aioquic, Chromium and kdig."""
import subprocess

from environments import OriginEnvironment, expect
from matrix import Cell
from peer_facts import (aioquic_has_no_ecn_of_its_own, curl_has_no_option, curl_lacks_feature, kdig_speaks_no_http3,
                        program_lacks)
from topology import Line

LOSS = "loss=3%,longest-loss=3,delay=5ms"
CORRUPTION = "corruption=3%,longest-loss=3,delay=5ms"
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


def curl_chacha20(environment):
    suite = "TLS_CHACHA20_POLY1305_SHA256"
    done = environment.curl().raw("/1m.bin", "-o", "/dev/null", "--verbose", "--tls13-ciphers", suite)
    expect(suite.encode() in done.stderr, "curl does not say that it is used")
    return suite


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


# --- Chromium ---

PAGE = """<!doctype html><title>interop</title><p id="out">waiting</p><script>
const sum = async name => {
  const body = await (await fetch(name)).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(hash, octet => octet.toString(16).padStart(2, "0")).join("");
};
const names = %s;
Promise.all(names.map(sum)).then(
  sums => { document.getElementById("out").textContent = "sums " + sums.join(" "); },
  problem => { document.getElementById("out").textContent = "failed " + problem; });
</script>"""


def chromium_page(names):
    """A page whose script fetches these files and writes their sums."""
    def action(environment):
        quoted = "[" + ", ".join(f'"/{name}"' for name in names) + "]"
        (environment.folder / "www/page.html").write_text(PAGE % quoted)
        before = environment.number("/viaduct/connections", "connections_accepted")
        dom = environment.run(
            environment.line.client, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", f"--user-data-dir={environment.folder}/chromium",
            "--origin-to-force-quic-on=origin.example:443", f"--host-resolver-rules=MAP * {Line.ORIGIN}",
            f"--ignore-certificate-errors-spki-list={environment.key_hash()}", "--virtual-time-budget=30000",
            "--dump-dom", "https://origin.example/page.html", seconds=60)
        sums = [environment.files[name.split("?")[0]][1] for name in names]
        expect("sums " + " ".join(sums) in dom, f"the page says: {dom[-300:]}")
        connections = environment.number("/viaduct/connections", "connections_accepted") - before
        return f"{len(names)} files by a page's script, sums agree, {connections} connections"
    return action


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
        cell("curl", "upload 100 MB", curl_upload),
        cell("curl", "many streams", curl_streams),
        cell("curl", "IPv6", curl_ipv6),
        cell("curl", "ChaCha20", curl_chacha20),
        cell("curl", "rebinding", curl_rebinding),
        cell("curl", "ECN, our marks", marked(curl_file("1m.bin")), not_yet="the origin marks nothing"),
        cell("curl", "resumption", impossible="this curl cannot keep TLS sessions beyond one run, and has one connection "
             "to a host in it", check=curl_lacks_feature("SSLS-EXPORT")),
        cell("curl", "0-RTT", impossible="OpenSSL's QUIC client has no early data, and this curl keeps no sessions",
             check=curl_lacks_feature("SSLS-EXPORT")),
        cell("curl", "key update", impossible="curl has no option for it", check=curl_has_no_option("key-update")),
        cell("curl", "QUIC v2", impossible="OpenSSL's QUIC client knows version 1 only",
             check=curl_has_no_option("quic-version")),
        cell("curl", "migration", impossible="OpenSSL's QUIC client does not migrate by itself",
             check=curl_has_no_option("migrat")),
        # Its ClientHello has ciphers, groups, extensions and parameters that do not exist.
        # proves RFC 9001 5.3-2
        cell("Chromium", "handshake", chromium_page(["1k.bin"])),
        cell("Chromium", "transfer 1 MB", chromium_page(["1m.bin"])),
        cell("Chromium", "many streams", chromium_page([f"1k.bin?{i}" for i in range(100)])),
        cell("Chromium", "key update", impossible="Chromium updates keys after so many packets only",
             check=program_lacks("/usr/lib/chromium/chromium", "quic-key-update")),
        cell("kdig", "handshake", kdig_refused),
        cell("kdig", "transfer 1 MB", impossible="kdig's QUIC (ngtcp2) speaks DNS only, with the protocol name doq",
             check=kdig_speaks_no_http3),
    ]
    scripted = [
        cell("aioquic", "handshake", aioquic("handshake")),
        cell("aioquic", "transfer 1 MB", aioquic("transfer", "1m.bin")),
        cell("aioquic", "transfer 100 MB", aioquic("transfer", "100m.bin", seconds=120)),
        cell("aioquic", "upload", aioquic("upload", size=10_000_000)),
        cell("aioquic", "many streams", aioquic("streams", count=300)),
        cell("aioquic", "resumption", aioquic("resumption")),
        cell("aioquic", "0-RTT", aioquic("zero-rtt"), not_yet="the origin takes no early data"),
        cell("aioquic", "key update", aioquic("key-update")),
        cell("aioquic", "ChaCha20", aioquic("chacha20")),
        cell("aioquic", "AES-256", aioquic("aes256")),
        cell("aioquic", "QUIC v2", aioquic("v2")),
        cell("aioquic", "version negotiation", aioquic("version-negotiation")),
        cell("aioquic", "connection IDs", aioquic("connection-ids")),
        cell("aioquic", "rebinding", aioquic("rebinding", "10m.bin")),
        cell("aioquic", "migration", aioquic("migration", "10m.bin")),
        cell("aioquic", "ECN", aioquic("ecn", "1m.bin")),
        # aioquic reports no marks, so that the origin must stop marking.
        cell("aioquic", "ECN, our marks", marked(aioquic("transfer", "1m.bin")), not_yet="the origin marks nothing"),
        cell("aioquic", "ECN, its marks", impossible="aioquic marks nothing itself; the cell ECN marks for it",
             check=aioquic_has_no_ecn_of_its_own),
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
        cell("aioquic", "handshakes, loss", impaired("loss=30%,longest-loss=3,delay=2ms",
                                                     aioquic("many-handshakes", count=20, seconds=80))),
        cell("Chromium", "loss", impaired(LOSS, chromium_page(["1m.bin"]))),
    ]
    retry = [
        cell("curl", "Retry", curl_file("1k.bin")),
        cell("aioquic", "Retry", aioquic("retry")),
        cell("aioquic", "NEW_TOKEN", aioquic("new-token")),
        cell("Chromium", "Retry", chromium_page(["1k.bin"])),
    ]
    tuned = [
        cell("aioquic", "compatible versions", aioquic("compatible-versions")),
        cell("aioquic", "our key updates", aioquic("peers-key-update", "10m.bin")),
        cell("curl", "our key updates", curl_file("10m.bin")),
        cell("Chromium", "our key updates", chromium_page(["10m.bin"])),
    ]
    for one in tuned:
        one.not_yet = "the origin has no option for it"
    for one in retry:
        one.not_yet = "the origin sends no Retry"
    return [
        OriginEnvironment("origin", plain),
        OriginEnvironment("origin for scripts", scripted),
        OriginEnvironment("origin behind faults", hurt, with_box=True),
        OriginEnvironment("origin that validates addresses", retry, extra='transport = { retry = "always" }'),
        OriginEnvironment("origin that prefers v2 and new keys", tuned,
                          extra='transport = { preferred_version = "v2", key_update_after = 1000 }'),
    ]
