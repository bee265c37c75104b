"""usage: perf/versus-nginx [--runs N] [--json FILE]

Downloads 100 MB with curl --http3-only from viaduct-origin (DPDK's af_packet on a veth cable) and from the distribution's
nginx (kernel UDP, its offloads left as they are, on a cable of the same kind), in turn, N times each (default 7), and
prints both medians and their ratio. Exit 1 where Viaduct gives less than half of nginx.
"""
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from build import build
from curl import Curl
from hosts import Hugepages, wait_until
from origin import Origin
from topology import Pair

SIZE = 100 * 1000 * 1000
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  server {{
    listen 443 quic reuseport;
    quic_gso on;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    root {root};
  }}
}}
"""


def download(curl, folder):
    """Gb/s of one download."""
    out = curl.raw("/100MB.bin", "-o", folder / "got.bin", "-w", "%{time_total} %{size_download}", timeout=120).stdout.split()
    if int(out[1]) != SIZE:
        raise RuntimeError(f"{int(out[1])} bytes instead of {SIZE}")
    return SIZE * 8 / float(out[0]) / 1e9


def start_viaduct(folder, root, hugepages):
    pair = Pair(dpdk=True)
    origin = Origin(build("release") / "apps/origin/viaduct-origin", pair.server, folder, root, hugepages=hugepages,
                    ipv4=f"{pair.SERVER}/24", ipv6=f"{pair.SERVER6}/64", gateway4="", gateway6="").wait_ready()
    return pair, origin


def start_nginx(folder, root):
    pair = Pair(dpdk=False)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, root=root))
    pair.server.start("nginx", "-c", folder / "nginx.conf", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until((folder / "nginx.pid").exists, 10, "nginx starts")
    return pair


def options_of(arguments):
    options = {"--runs": "7", "--json": None}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            print(__doc__.strip())
            sys.exit(0)
        if word not in options:
            sys.exit(f"perf/versus-nginx: unknown word '{word}' (see --help)")
        options[word] = next(words, None) or sys.exit(f"perf/versus-nginx: {word} needs a value")
    return int(options["--runs"]), options["--json"]


def measure(folder, runs, hugepages):
    root = folder / "site"
    root.mkdir()
    (root / "100MB.bin").write_bytes(b"\x55\xaa" * (SIZE // 2))
    folder.chmod(0o755)
    pair, origin = start_viaduct(folder, root, hugepages)
    nginx = start_nginx(folder, root)
    curls = {"viaduct": Curl(pair.client, folder / "certificate.pem", pair.SERVER),
             "nginx": Curl(nginx.client, folder / "certificate.pem", nginx.SERVER)}
    rates = {name: [] for name in curls}
    for run in range(runs + 1):
        for name, curl in curls.items():
            rate = download(curl, folder)
            if run > 0:  # the first of each warms caches and stores
                rates[name].append(rate)
    origin.stop()
    return rates


def main():
    runs, output = options_of(sys.argv[1:])
    folder, pages = Path(tempfile.mkdtemp(prefix="viaduct-versus-")), Hugepages(256)
    try:
        rates = measure(folder, runs, pages.available > 0)
    finally:
        pages.give_back()
        shutil.rmtree(folder, ignore_errors=True)
    reference = statistics.median(rates["nginx"])
    rows = []
    for name, values in rates.items():
        median = statistics.median(values)
        rows.append({"suite": "versus-nginx", "case": f"download/100MB/veth/curl/{name}", "metric": "goodput", "unit": "Gb/s",
                     "median": median, "min": min(values), "max": max(values), "runs": len(values), "reference": "nginx",
                     "ratio": median / reference})
        print(f"{name:<8}  {median:6.2f} Gb/s  [{min(values):.2f} – {max(values):.2f}]  {median / reference:5.2f} × nginx")
    if output:
        machine = {"cpu": platform.processor() or platform.machine(), "kernel": platform.release()}
        Path(output).write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    return 0 if rows[0]["ratio"] >= 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
