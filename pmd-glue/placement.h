// Which CPU each worker runs on, and why.
#pragma once

#include <string>
#include <vector>

namespace viaduct::net {

struct PlacementRequest {
  unsigned workers = 1;
  // What the workers should be near: PCI addresses or kernel interface names; unknown ones are ignored.
  std::vector<std::string> devices;
  // Pin even where workers have to share CPUs with each other or with the control thread.
  bool always_pin = false;
  bool never_pin = false;
};

struct Placement {
  struct Worker {
    unsigned cpu = 0;  // as the kernel numbers them
    unsigned core = 0;
    int numa_node = 0;
    std::string reason;
  };
  std::vector<unsigned> control_cpus;
  std::vector<Worker> workers;
  bool pinned = true;  // false: workers may run on any allowed CPU

  // The plan and its reasons, as lines for a person.
  std::string explain() const;
};

// Plans with hwloc, over the CPUs that this process may use. Reads the machine only; touches no thread.
Placement plan_placement(const PlacementRequest& request);

}  // namespace viaduct::net
