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
        """From now on the gateway shows the client's UDP port `old` as `new`, both ways, without state: take ports below
        32768, which the client's kernel gives to no other socket by itself."""
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

    def swallow(self, port):
        """From now on the gateway drops what comes from and goes to the client's UDP port."""
        self.gateway.run("nft", "-f", "-", input=f"""
table inet swallow {{
  chain forward {{ type filter hook forward priority -10; udp sport {port} drop; udp dport {port} drop; }}
}}
""")

    def let_all_pass(self):
        """Ends what rewrite_source_port() and swallow() began."""
        self.rewritten = {}
        for table in ("rewrite", "swallow"):
            self.gateway.run("nft", "delete", "table", "inet", table, check=False)

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


class Farm:
    """A client, a router, and on one link behind it balancers and servers. The router spreads what is for the service's
    addresses over balancers by ports and addresses (ECMP).

      client 198.18.0.2 ── router 198.18.1.1 ──┬── balancers 198.18.1.11, .12, … (DPDK)
      2001:db8:0::2          2001:db8:1::1     └── servers   198.18.1.21, .22, … (DPDK, or the kernel's)
    """

    CLIENT = "198.18.0.2"
    SERVICE, SERVICE6 = "198.18.9.1", "2001:db8:9::1"
    GATEWAY, GATEWAY6 = "198.18.1.1", "2001:db8:1::1"

    def __init__(self, balancers=2, servers=2, kernel_servers=False):
        self.tag, self.has_lanes = f"{random.randrange(1 << 20):05x}", False
        self.client, self.router = Host(f"vf-client-{self.tag}"), Host(f"vf-router-{self.tag}")
        Cable(self.client, "eth0", [f"{self.CLIENT}/24", "2001:db8:0::2/64"],
              self.router, "eth0", ["198.18.0.1/24", "2001:db8:0::1/64"])
        self.client.run("ip", "route", "add", "default", "via", "198.18.0.1")
        self.client.run("ip", "-6", "route", "add", "default", "via", "2001:db8:0::1")
        self.router.run("ip", "link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
        for address in (f"{self.GATEWAY}/24", f"{self.GATEWAY6}/64"):
            self.router.run("ip", "addr", "add", address, "dev", "lan", *(["nodad"] if ":" in address else []))
        self.router.run("ip", "link", "set", "lan", "up")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                        "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.lan.rp_filter=0",
                        "net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1")
        for host, name in ((self.client, "eth0"), (self.router, "eth0")):
            self._whole_packets(host, name)
        self.balancers = [self._attach(f"lb{i}", []) for i in range(balancers)]
        self.servers = [self._attach(f"s{i}", self._kernel_addresses(i) if kernel_servers else []) for i in range(servers)]
        if kernel_servers:
            for server in self.servers:
                self._serve_by_kernel(server)

    @staticmethod
    def balancer_addresses(index):
        return f"198.18.1.{11 + index}", f"2001:db8:1::{11 + index}"

    @staticmethod
    def server_addresses(index):
        return f"198.18.1.{21 + index}", f"2001:db8:1::{21 + index}"

    def _kernel_addresses(self, index):
        ipv4, ipv6 = self.server_addresses(index)
        return [f"{ipv4}/24", f"{ipv6}/64"]

    def _whole_packets(self, host, name):
        """A DPDK port on a virtual cable sees frames as the kernel made them: whole packets, please."""
        host.run("ethtool", "-K", name, "tx-udp-segmentation", "off", "gro", "off", "gso", "off", "tso", "off")

    def _attach(self, name, addresses):
        host = Host(f"vf-{name}-{self.tag}")
        Cable(self.router, name, [], host, "eth0", addresses)
        self.router.run("ip", "link", "set", name, "master", "lan")
        self._whole_packets(self.router, name)
        if not addresses:
            host.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        return host

    def _serve_by_kernel(self, host):
        """The service's addresses are there, and nobody on the link hears of it."""
        host.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2",
                 "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0")
        host.run("ip", "addr", "add", f"{self.SERVICE}/32", "dev", "lo")
        host.run("ip", "addr", "add", f"{self.SERVICE6}/128", "dev", "lo", "nodad")
        host.run("ip", "route", "add", "default", "via", self.GATEWAY)
        host.run("ip", "-6", "route", "add", "default", "via", self.GATEWAY6)
        self._whole_packets(host, "eth0")

    def route_to(self, balancers):
        """From now on the router spreads the service's packets over these balancers, by index."""
        for family, service, which in (("-4", f"{self.SERVICE}/32", 0), ("-6", f"{self.SERVICE6}/128", 1)):
            hops = [word for i in balancers for word in ("nexthop", "via", self.balancer_addresses(i)[which])]
            self.router.run("ip", family, "route", "replace", service, *hops)

    def narrow(self, ports, rate):
        """From now on the router gives each of these UDP ports of the client `rate` (tc's words: 14mbit) and a queue of 60 kB,
        whose overflow is lost."""
        if not self.has_lanes:
            self.router.run("tc", "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "htb")
            self.has_lanes = True
        for port in ports:
            lane = f"1:{port:x}"
            self.router.run("tc", "class", "replace", "dev", "eth0", "parent", "1:", "classid", lane, "htb", "rate", rate)
            self.router.run("tc", "qdisc", "replace", "dev", "eth0", "parent", lane, "bfifo", "limit", "60000")
        lanes = ", ".join(f"{port} : 1:{port:x}" for port in ports)
        self.router.run("nft", "-f", "-", input=f"""
table inet narrow {{
  chain lanes {{ type filter hook postrouting priority 0;
    oifname "eth0" meta priority set udp dport map {{ {lanes} }}
  }}
}}
""")

    def move_client(self, old_port, new_port, new_ip="198.18.0.77", new_ip6="2001:db8:0::77"):
        """From now on the client's UDP port `old_port` shows as another port of another address, both ways."""
        self.router.run("nft", "-f", "-", input=f"""
table inet moved_{old_port} {{
  chain out {{ type filter hook forward priority 0;
    iifname "eth0" udp sport {old_port} ip saddr set {new_ip}
    iifname "eth0" udp sport {old_port} ip6 saddr set {new_ip6}
    iifname "eth0" udp sport {old_port} udp sport set {new_port}
  }}
  chain back {{ type filter hook prerouting priority -300;
    iifname "lan" udp dport {new_port} ip daddr set {self.CLIENT}
    iifname "lan" udp dport {new_port} ip6 daddr set 2001:db8:0::2
    iifname "lan" udp dport {new_port} udp dport set {old_port}
  }}
}}
""")

    def stop(self):
        for host in (*self.servers, *self.balancers, self.router, self.client):
            host.stop()
