"""Checks of what a peer cannot do: each returns a function that says whether that is still so."""
import functools
import subprocess


@functools.cache
def output(*command):
    done = subprocess.run(command, text=True, capture_output=True, timeout=60)
    return done.stdout + done.stderr


def curl_lacks_feature(name):
    return lambda _: name not in output("curl", "--version")


def curl_has_no_option(word):
    return lambda _: word not in output("curl", "--help", "all")


@functools.cache
def lacks(program, words):
    return subprocess.run(["grep", "-qaE", "|".join(words), program], timeout=60).returncode != 0


def program_lacks(program, *words):
    """Directives, options and log texts are strings in a program."""
    return lambda _: lacks(program, words)


def kdig_speaks_no_http3(_):
    return "h3" not in output("kdig", "--help").replace("http", "").split()


def haproxy_uses_the_compatibility_layer(_):
    """With it HAProxy has its own TLS below QUIC, and no early data."""
    return "USE_QUIC_OPENSSL_COMPAT=1" in output("haproxy", "-vv")


def sends(name):
    """The environment's server sends this transport parameter; aioquic as client sees it."""
    return lambda environment: name in environment.parameters()
