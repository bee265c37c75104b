"""Asks a running Viaduct program over DPDK's telemetry socket."""
import json
import os
import socket


def socket_path(prefix):
    base = "/var/run/dpdk" if os.geteuid() == 0 else os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "dpdk")
    return os.path.join(base, prefix, "dpdk_telemetry.v2")


def ask(prefix, command):
    """The value that `command` ("/viaduct/verdicts", say) gives; OSError where nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(5)
        connection.connect(socket_path(prefix))
        greeting = json.loads(connection.recv(1024))
        connection.send(command.encode())
        answer = json.loads(connection.recv(greeting["max_output_len"]))
    return answer[command.split(",")[0]]
