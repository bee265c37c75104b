#include "pmd-glue/placement.h"

#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <sched.h>

#include <algorithm>
#include <map>
#include <memory>

namespace viaduct::net {
namespace {

struct Cpu {
  unsigned number;  // the kernel's
  unsigned core;
  int node;
  unsigned sibling;  // 0 for the first of its core
  bool near = false;
};

using Topology = std::unique_ptr<hwloc_topology, void (*)(hwloc_topology_t)>;

Topology load_topology() {
  hwloc_topology_t raw = nullptr;
  hwloc_topology_init(&raw);
  hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
  hwloc_topology_load(raw);
  return {raw, hwloc_topology_destroy};
}

bool is_allowed(const cpu_set_t& set, unsigned cpu) { return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set); }

// The CPUs that this process may use, in the machine's order.
std::vector<Cpu> usable_cpus(hwloc_topology_t topology) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<Cpu> cpus;
  std::map<unsigned, unsigned> seen;  // by core
  for (hwloc_obj_t pu = nullptr; (pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu));) {
    if (!is_allowed(allowed, pu->os_index)) continue;
    const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
    const unsigned core_number = core ? core->logical_index : pu->logical_index;
    const int node = hwloc_bitmap_first(pu->nodeset);
    cpus.push_back({pu->os_index, core_number, node < 0 ? 0 : node, seen[core_number]++});
  }
  return cpus;
}

// Where the device hangs, or null where hwloc does not know it (every virtual one).
hwloc_obj_t device_place(hwloc_topology_t topology, const std::string& device) {
  if (hwloc_obj_t pci = hwloc_get_pcidev_by_busidstring(topology, device.c_str())) {
    return hwloc_get_non_io_ancestor_obj(topology, pci);
  }
  for (hwloc_obj_t os = nullptr; (os = hwloc_get_next_osdev(topology, os));) {
    if (os->name && device == os->name) return hwloc_get_non_io_ancestor_obj(topology, os);
  }
  return nullptr;
}

// Marks the CPUs that share a NUMA node with one of the devices; the devices' names where any was found.
std::string mark_near(hwloc_topology_t topology, const std::vector<std::string>& devices, std::vector<Cpu>& cpus) {
  std::string found;
  for (const std::string& device : devices) {
    const hwloc_obj_t place = device_place(topology, device);
    if (!place || !place->nodeset) continue;
    found += (found.empty() ? "" : ", ") + device;
    for (Cpu& cpu : cpus) cpu.near = cpu.near || hwloc_bitmap_isset(place->nodeset, static_cast<unsigned>(cpu.node));
  }
  return found;
}

std::string reason_for(const Cpu& cpu, const std::string& near_what, unsigned sharers, bool on_control) {
  std::string text;
  if (!near_what.empty()) {
    text = cpu.near ? "on the NUMA node of " + near_what : "far from " + near_what + ": the near cores are taken";
  } else {
    text = "no device has a known place";
  }
  text += cpu.sibling == 0 ? ", first thread of its core" : ", second thread of a core that has a worker";
  if (on_control) text += ", shared with the control thread (too few cores)";
  if (sharers > 1) text += ", shared by " + std::to_string(sharers) + " workers (too few cores)";
  return text;
}

}  // namespace

Placement plan_placement(const PlacementRequest& request) {
  const Topology topology = load_topology();
  std::vector<Cpu> cpus = usable_cpus(topology.get());
  if (cpus.empty()) cpus.push_back({0, 0, 0, 0});
  const std::string near_what = mark_near(topology.get(), request.devices, cpus);

  // The control thread takes the first CPU and its core; workers the others, near ones first, whole cores first. With
  // too few of those, its core and then sharing come last.
  const Cpu control = cpus.front();
  const auto rank = [&](const Cpu& cpu) {
    return (cpu.number == control.number ? 8 : 0) + (cpu.core == control.core ? 4 : 0) + (cpu.sibling > 0 ? 2 : 0) +
           (cpu.near || near_what.empty() ? 0 : 1);
  };
  std::stable_sort(cpus.begin(), cpus.end(), [&](const Cpu& a, const Cpu& b) { return rank(a) < rank(b); });

  Placement plan;
  plan.control_cpus = {control.number};
  const size_t own = static_cast<size_t>(
      std::count_if(cpus.begin(), cpus.end(), [&](const Cpu& c) { return c.number != control.number; }));
  plan.pinned = !request.never_pin && (request.always_pin || request.workers <= own);
  for (unsigned worker = 0; worker < request.workers; ++worker) {
    const Cpu& cpu = cpus[worker % cpus.size()];
    const unsigned sharers = (request.workers - worker % cpus.size() + static_cast<unsigned>(cpus.size()) - 1) /
                             static_cast<unsigned>(cpus.size());
    plan.workers.push_back(
        {cpu.number, cpu.core, cpu.node, reason_for(cpu, near_what, sharers, cpu.number == control.number)});
  }
  return plan;
}

std::string Placement::explain() const {
  std::string text = "control thread: CPU " + std::to_string(control_cpus.front()) + ", the first that is allowed\n";
  for (size_t i = 0; i < workers.size(); ++i) {
    const Worker& worker = workers[i];
    text += "worker " + std::to_string(i) + ": ";
    if (pinned) {
      text += "CPU " + std::to_string(worker.cpu) + " (core " + std::to_string(worker.core) + ", NUMA node " +
              std::to_string(worker.numa_node) + "): " + worker.reason + "\n";
    } else {
      text += "any allowed CPU\n";
    }
  }
  if (!pinned)
    text += "workers are not pinned: there are not enough CPUs for each to have its own, or it is so configured\n";
  return text;
}

}  // namespace viaduct::net
