"""Checks of what a peer cannot do: each returns a function that says whether that is still so."""
import inspect
import subprocess
from pathlib import Path


def output(*command):
    done = subprocess.run(command, text=True, capture_output=True, timeout=60)
    return done.stdout + done.stderr


def curl_lacks_feature(name):
    return lambda: name not in output("curl", "--version")


def curl_has_no_option(word):
    return lambda: word not in output("curl", "--help", "all")


def chromium_has_no_switch(word):
    """Switches are strings in the program."""
    return lambda: subprocess.run(["grep", "-qaF", f"quic-{word}", "/usr/lib/chromium/chromium"], timeout=60).returncode != 0


def kdig_speaks_no_http3():
    return "h3" not in output("kdig", "--help").replace("http", "").split()


def aioquic_has_no_ecn_of_its_own():
    import aioquic.asyncio
    import aioquic.quic
    folders = [Path(inspect.getfile(module)).parent for module in (aioquic.quic, aioquic.asyncio)]
    return not any(word in path.read_text() for folder in folders for path in folder.glob("*.py")
                   for word in ("IP_TOS", "IP_RECVTOS", "TCLASS"))
