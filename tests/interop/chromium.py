"""Chromium's cells: pages whose scripts ask our origin for things and say what came."""
import subprocess
import tempfile
import time

from environments import expect
from topology import Line

PAGE = """<!doctype html><title>interop</title><p id="out">waiting</p><script>
const say = text => { document.getElementById("out").textContent = text; };
const sum = async body => {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(hash, octet => octet.toString(16).padStart(2, "0")).join("");
};
const fetched = async name => sum(await (await fetch(name, { cache: "no-store" })).arrayBuffer());
%s
</script>"""
FETCHES = """Promise.all(%s.map(fetched)).then(sums => say("sums " + sums.join(" ")), problem => say("failed " + problem));"""
UPLOAD = """fetch("/upload", { method: "POST", body: new Uint8Array(%d) }).then(
  answer => say("status " + answer.status), problem => say("failed " + problem));"""


def command(environment, address, *words, profile=None):
    """Without a profile it is a browser that was never used before."""
    profile = profile or tempfile.mkdtemp(dir=environment.folder)
    return [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={profile}",
        "--origin-to-force-quic-on=origin.example:443", f"--host-resolver-rules=MAP * {address}",
        f"--ignore-certificate-errors-spki-list={environment.key_hash()}", "--virtual-time-budget=30000", *words,
        "--dump-dom", "https://origin.example/page.html"]


def write_page(environment, script):
    (environment.folder / "www/page.html").write_text(PAGE % script)


def fetches(names):
    return FETCHES % ("[" + ", ".join(f'"/{name}"' for name in names) + "]")


def expect_sums(environment, dom, names):
    sums = [environment.files[name.split("?")[0]][1] for name in names]
    expect("sums " + " ".join(sums) in dom, f"the page says: {dom[-300:]}")


def page(names, *words, address=Line.ORIGIN, profile=None):
    """A page whose script fetches these files and writes their sums."""
    def action(environment):
        write_page(environment, fetches(names))
        before = environment.number("/viaduct/connections", "connections_accepted")
        dom = environment.run(environment.line.client, *command(environment, address, *words, profile=profile), seconds=60)
        expect_sums(environment, dom, names)
        connections = environment.number("/viaduct/connections", "connections_accepted") - before
        expect(connections > 0, "not over QUIC")
        return f"{len(names)} files by a page's script, sums agree, {connections} connections"
    return action


def upload(environment):
    length = 10_000_000
    write_page(environment, UPLOAD % length)
    before = environment.number("/viaduct/connections", "bytes_received")
    dom = environment.run(environment.line.client, *command(environment, Line.ORIGIN), seconds=60)
    expect("status 204" in dom, f"the page says: {dom[-300:]}")
    received = environment.number("/viaduct/connections", "bytes_received") - before
    expect(received > length, f"{received} bytes received")
    return f"{length} bytes by POST, status 204"


def version_2(environment):
    """With an origin that prefers it: Chromium begins with version 1, and offers 2 or does not."""
    before = environment.number("/viaduct/connections", "versions_changed")
    page(["1k.bin"])(environment)
    return environment.number("/viaduct/connections", "versions_changed") == before


def keeps_no_sessions(environment):
    """Two runs with the same profile; neither has what the other learned."""
    profile = tempfile.mkdtemp(dir=environment.folder)
    page(["1k.bin"], profile=profile)(environment)
    before = environment.number("/viaduct/connections", "handshakes_resumed")
    page(["1k.bin"], profile=profile)(environment)
    return environment.number("/viaduct/connections", "handshakes_resumed") == before


def port_in_use(environment):
    """Of the browser's connection, as its host's kernel tells it."""
    for _ in range(100):
        for line in environment.line.client.run("ss", "-Hun", "dst", f"{Line.ORIGIN}:443").stdout.splitlines():
            ours = next(field for field in line.split() if ":" in field)  # the other end's stands behind it
            return int(ours.rsplit(":", 1)[1])
        time.sleep(0.1)
    raise RuntimeError("Chromium opens no connection")


def in_a_transfer(disturb, changes):
    """What `disturb` does to the browser's port in the middle of a transfer; the origin sees it move so often, at least."""
    def action(environment):
        names = ["10m.bin"]
        write_page(environment, fetches(names))
        before = environment.number("/viaduct/connections", "path_changes")
        environment.box.order("both rate=20M,delay=2ms")
        process = environment.line.client.start(*command(environment, Line.ORIGIN), stdout=subprocess.PIPE,
                                                stderr=subprocess.DEVNULL, text=True)
        try:
            port = port_in_use(environment)
            time.sleep(0.7)
            disturb(environment, port)
            dom, _ = process.communicate(timeout=60)
        finally:
            environment.box.order("both")
            environment.line.let_all_pass()
        expect_sums(environment, dom, names)
        seen = environment.number("/viaduct/connections", "path_changes") - before
        expect(seen >= changes, f"{seen} changes of path counted")
        return f"{seen} new addresses in a transfer, sums agree"
    return action


def new_port(environment, port):
    environment.line.rewrite_source_port(port, port ^ 1)


def dead_port(environment, port):
    """Nothing of this port arrives any more: the browser is to go on by another one."""
    environment.line.swallow(port)
