"""The servers that our client is tried against: how each is configured and started."""
import os
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Its access log tells what the connection was like.
NGINX = """daemon off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log notice;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp; client_max_body_size 0; keepalive_requests 100000;
  log_format facts '$status $ssl_cipher $ssl_session_reused $ssl_early_data $remote_port $request_length';
  server {{
    listen 443 quic reuseport; listen [::]:443 quic reuseport; listen 127.0.0.1:8080;
    ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
    ssl_early_data on; {options}
    access_log {folder}/access.log facts; root {folder}/www;
    location /upload {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""
CADDY = """{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2 h3
  }}
}}
https://origin.example {{
  {options}
  tls {folder}/certificate.pem {folder}/key.pem
  root * {folder}/www
  reverse_proxy /upload/* 127.0.0.1:8080
  file_server
}}
"""
# What is larger than its buffers comes from nginx behind it.
HAPROXY = """global
  log stderr local0 notice
  limited-quic
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend quic
  bind quic4@:443 ssl crt {folder}/both.pem alpn h3 {options}
  bind quic6@:443 v6only ssl crt {folder}/both.pem alpn h3 {options}
  default_backend files
backend files
  server nginx 127.0.0.1:8080
"""


class Server:
    """A server in a host; `words` are its command, with {folder} filled in."""

    def __init__(self, host, folder, words, ready, environment=None):
        self.log = folder / "server.log"
        self.output = open(self.log, "ab")
        self.process = host.start(*words, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  cwd=folder, env={**os.environ, **(environment or {})})
        deadline = time.monotonic() + 20
        while not ready(host, self):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{words[0]} does not start: {self.log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.05)

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.output.close()


def listens_on_443(host, _):
    return ":443 " in host.run("ss", "-Hlun", "sport", "=", ":443").stdout


def says_ready(_, server):
    return "ready" in server.text()


def nginx(host, folder, options=""):
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, options=options))
    return [Server(host, folder, ["nginx", "-c", folder / "nginx.conf"], listens_on_443)]


def nginx_behind(host, folder):
    """For content that the server in front does not keep itself."""
    (folder / "tmp").mkdir(exist_ok=True)
    plain = NGINX.format(folder=folder, options="").replace("listen 443 quic reuseport; listen [::]:443 quic reuseport; ", "")
    (folder / "nginx.conf").write_text(plain)
    return Server(host, folder, ["nginx", "-c", folder / "nginx.conf"],
                  lambda host, _: ":8080 " in host.run("ss", "-Hltn", "sport", "=", ":8080").stdout)


def caddy(host, folder, options=""):
    (folder / "Caddyfile").write_text(CADDY.format(folder=folder, options=options))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    words = ["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]
    return [nginx_behind(host, folder), Server(host, folder, words, listens_on_443, home)]


def haproxy(host, folder, options=""):
    (folder / "both.pem").write_bytes((folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes())
    (folder / "haproxy.cfg").write_text(HAPROXY.format(folder=folder, options=options))
    return [nginx_behind(host, folder), Server(host, folder, ["haproxy", "-db", "-f", folder / "haproxy.cfg"], listens_on_443)]


def aioquic(host, folder, options=""):
    words = ["/usr/bin/python3", HERE / "peers/aioquic_server.py", folder / "www", folder / "certificate.pem",
             folder / "key.pem", *options.split()]
    return [Server(host, folder, words, says_ready)]


SERVERS = {"nginx": nginx, "Caddy": caddy, "HAProxy": haproxy, "aioquic": aioquic}
