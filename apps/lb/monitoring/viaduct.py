"""Viaduct's metrics for DPDK's exporter: dpdk-telemetry-exporter.py -p FOLDER_OF_THIS_FILE -s TELEMETRY_SOCKET.

The exporter calls them dpdk_viaduct_…; dashboard.json shows them.
"""
FLOWS = {"flows_capacity": "gauge", "flows_inserted": "counter", "flows_refused": "counter", "packets_in_use": "gauge",
         "packets_capacity": "gauge", "packets_refused": "counter"}
STEPS = {"connection_id": "connection ID", "table_by_scid": "table by source ID", "table_by_dcid": "table by destination ID",
         "table_by_addresses": "table by addresses", "hash": "hash"}


def info():
    return {
        "frames": ("Frames by what became of them.", "counter"),
        "frames_received": ("Frames received.", "counter"),
        "frames_sent": ("Frames sent.", "counter"),
        "send_drops": ("Frames that the port had no room for.", "counter"),
        "reloads": ("Configurations read again.", "counter"),
        "worker_busy_seconds": ("Time that a worker was busy.", "counter"),
        "configuration_packets": ("Packets by the configuration of their connection ID.", "counter"),
        "server_packets": ("Packets of a server by how it was found.", "counter"),
        "server_bytes": ("Bytes of IP for a server.", "counter"),
        "server_usable": ("Whether a server gets packets.", "gauge"),
        "server_active": ("Whether a server gets new flows.", "gauge"),
        **{name: (name.replace("_", " ").capitalize() + ".", kind) for name, kind in FLOWS.items()},
    }


def metrics(sock):
    found = [("frames", count, {"verdict": name}) for name, count in sock.cmd("/viaduct/verdicts").items()]
    workers = sock.cmd("/viaduct/workers")
    found += [(name, workers[name], {}) for name in ("frames_received", "frames_sent", "send_drops", "reloads") if name in workers]
    found += [("worker_busy_seconds", count / 1e9, {"worker": name.removeprefix("busy_ns_")})
              for name, count in workers.items() if name.startswith("busy_ns_")]
    routing = sock.cmd("/viaduct/routing")
    found += [("configuration_packets", count, {"configuration": name.removeprefix("configuration_")})
              for name, count in routing.items() if name.startswith("configuration_")]
    tables = sock.cmd("/viaduct/tables")
    found += [(name, tables[name], {}) for name in FLOWS if name in tables]
    return found + sorted(servers(sock.cmd("/viaduct/servers")), key=lambda metric: metric[0])


def servers(values):
    for name, value in values.items():
        pool, server, what = name.rsplit("/", 2)
        labels = {"pool": pool, "server": server}
        if what in STEPS:
            yield "server_packets", value, {**labels, "by": STEPS[what]}
        else:
            yield f"server_{what}", value, labels
