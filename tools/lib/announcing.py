"""BIRD on a Farm's router and beside its balancers: the router learns over BGP which balancers serve, and spreads (ECMP)."""
import subprocess

from build import TOP
from hosts import Cable
from topology import Farm

ROUTER = """router id 198.18.1.1;
protocol device {{ }}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; merge paths on; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; merge paths on; }}
{sessions}"""
SESSION = """protocol bgp lb{index} {{
  local {router} as 65000;
  neighbor {balancer} as 65000;
  hold time 3;
  ipv4 {{ import all; export none; }};
  ipv6 {{ import all; export none; }};
}}
"""


class Announcing:
    """One BIRD on the router, one beside each balancer (with the template that the program comes with), and a
    viaduct-announce for each, which asks the balancer at `sockets`."""

    def __init__(self, farm, folder, sockets):
        self.farm, self.folder, self.processes = farm, folder, []
        sessions = ""
        for index, host in enumerate(farm.balancers):
            router, balancer = f"198.18.{2 + index}.1", f"198.18.{2 + index}.11"
            Cable(farm.router, f"bgp{index}", [f"{router}/24"], host, "eth1", [f"{balancer}/24"])
            sessions += SESSION.format(index=index, router=router, balancer=balancer)
        self._bird(farm.router, "router", ROUTER.format(sessions=sessions))
        template = (TOP / "apps/lb/bird.conf").read_text()
        for index, host in enumerate(farm.balancers):
            own = template.replace("198.18.2.", f"198.18.{2 + index}.").replace("hold time 9;", "hold time 3;")
            for text, address in zip(("198.18.1.11;", "2001:db8:1::11;"), Farm.balancer_addresses(index)):
                own = own.replace(text, address + ";")
            self._bird(host, f"lb{index}", own)
            self.processes.append(host.start(TOP / "apps/lb/viaduct-announce", "--socket", sockets[index], "--bird",
                                             folder / f"bird-lb{index}.ctl", "--interval", "0.3",
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _bird(self, host, name, config):
        (self.folder / f"bird-{name}.conf").write_text(config)
        self.processes.append(host.start("bird", "-f", "-c", self.folder / f"bird-{name}.conf", "-s",
                                         self.folder / f"bird-{name}.ctl", "-P", self.folder / f"bird-{name}.pid",
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def next_hops(self):
        """Balancers that the router sends the service's packets to, by index; IPv4's and IPv6's are the same or it fails."""
        hops = []
        for family, service, which in (("-4", Farm.SERVICE, 0), ("-6", Farm.SERVICE6, 1)):
            routes = self.farm.router.run("ip", family, "route", "show", service).stdout
            words = routes.split()
            hops.append({index for index in range(len(self.farm.balancers))
                         if self.farm.balancer_addresses(index)[which] in words})
        return hops[0] if hops[0] == hops[1] else None
