"""The hosts of the demo and of the end-to-end tests: a client, a gateway and an origin on one line.

  client 198.18.0.2 ── 198.18.0.1 gateway 198.18.1.1 ── 198.18.1.2 origin (DPDK)
  2001:db8:0::2        2001:db8:0::1      2001:db8:1::1   2001:db8:1::2

With a box, viaduct-impair sits on the cable between gateway and origin.
"""
import json
import random

from hosts import Cable, Host


class Line:
    """Kernel hosts client and gateway, and the namespace of the origin with its end of the cable, without addresses:
    those are the DPDK port's."""

    CLIENT = "198.18.0.2"
    ORIGIN = "198.18.1.2"
    ORIGIN6 = "2001:db8:1::2"

    def __init__(self, with_box=False):
        self.rewritten = {}
        tag = f"{random.randrange(1 << 20):05x}"
        self.client, self.gateway, self.origin = (Host(f"vd-{name}-{tag}") for name in ("client", "gateway", "origin"))
        Cable(self.client, "eth0", ["198.18.0.2/24", "2001:db8:0::2/64"],
              self.gateway, "eth0", ["198.18.0.1/24", "2001:db8:0::1/64"])
        self.box = Host(f"vd-box-{tag}") if with_box else None
        server_side = (self.box, "eth0") if with_box else (self.origin, "eth0")
        Cable(self.gateway, "eth1", ["198.18.1.1/24", "2001:db8:1::1/64"], *server_side, [])
        if with_box:
            Cable(self.box, "eth1", [], self.origin, "eth0", [])
            self.box.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1", "net.ipv6.conf.eth1.disable_ipv6=1")
        self.client.run("ip", "route", "add", "default", "via", "198.18.0.1")
        self.client.run("ip", "-6", "route", "add", "default", "via", "2001:db8:0::1")
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        # A DPDK port on a virtual cable sees frames as the kernel made them: whole packets, please.
        for host, name in ((self.client, "eth0"), (self.gateway, "eth0"), (self.gateway, "eth1")):
            host.run("ethtool", "-K", name, "tx-udp-segmentation", "off", "gro", "off", "gso", "off", "tso", "off")
        # The kernel must not answer for the port's addresses, nor speak on its own.
        self.origin.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")

    def rewrite_source_port(self, old, new):
        """From now on the gateway shows the client's UDP port `old` as `new`, both ways, without state."""
        self.rewritten[old] = new
        out = ", ".join(f"{old} : {new}" for old, new in self.rewritten.items())
        back = ", ".join(f"{new} : {old}" for old, new in self.rewritten.items())
        self.gateway.run("nft", "-f", "-", input=f"""
table inet rewrite
delete table inet rewrite
table inet rewrite {{
  chain out {{ type filter hook forward priority 0; iifname "eth0" udp sport set udp sport map {{ {out} }}; }}
  chain back {{ type filter hook forward priority 0; iifname "eth1" udp dport set udp dport map {{ {back} }}; }}
}}
""")

    def watch_ecn(self):
        """From now on the gateway counts the origin's UDP packets by their ECN codepoint; see ecn_seen()."""
        names = ("not-ect", "ect1", "ect0", "ce")
        rules = "; ".join(f'iifname "eth1" meta l4proto udp ip ecn {name} counter' for name in names)
        self.gateway.run("nft", "-f", "-", input=f"""
table inet watch
delete table inet watch
table inet watch {{
  chain forward {{ type filter hook forward priority 10; {rules}; }}
}}
""")

    def ecn_seen(self):
        """Packets of the origin's, by codepoint, since watch_ecn()."""
        rules = json.loads(self.gateway.run("nft", "-j", "list", "table", "inet", "watch").stdout)["nftables"]
        counts = [part["counter"]["packets"] for rule in rules for part in rule.get("rule", {}).get("expr", [])
                  if "counter" in part]
        return dict(zip(("not-ect", "ect1", "ect0", "ce"), counts))

    def stop(self):
        for host in (self.box, self.origin, self.gateway, self.client):
            if host:
                host.stop()


class Pair:
    """A client and a server on one cable. An end that a DPDK port is to have has no address of the kernel's: the
    server's with dpdk, the client's with dpdk_client. With a box, viaduct-impair sits on the cable."""

    CLIENT, SERVER = "198.18.2.2", "198.18.2.1"
    CLIENT6, SERVER6 = "2001:db8:2::2", "2001:db8:2::1"

    def __init__(self, dpdk, mtu=1500, *, dpdk_client=False, with_box=False):
        tag = f"{random.randrange(1 << 20):05x}"
        self.client, self.server = Host(f"vp-client-{tag}"), Host(f"vp-server-{tag}")
        client_addresses = [] if dpdk_client else [f"{self.CLIENT}/24", f"{self.CLIENT6}/64"]
        server_addresses = [] if dpdk else [f"{self.SERVER}/24", f"{self.SERVER6}/64"]
        self.box = Host(f"vp-box-{tag}") if with_box else None
        if with_box:
            Cable(self.client, "eth0", client_addresses, self.box, "eth0", [], mtu)
            Cable(self.box, "eth1", [], self.server, "eth0", server_addresses, mtu)
            self.box.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1", "net.ipv6.conf.eth1.disable_ipv6=1")
        else:
            Cable(self.client, "eth0", client_addresses, self.server, "eth0", server_addresses, mtu)
        for host, is_dpdk in ((self.client, dpdk_client), (self.server, dpdk)):
            if is_dpdk:
                host.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
            elif dpdk_client or with_box:
                host.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", "gso", "off", "tso", "off")

    def stop(self):
        for host in (self.box, self.server, self.client):
            if host:
                host.stop()
