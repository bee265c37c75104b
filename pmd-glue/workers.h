// Worker threads, known to DPDK and placed by plan.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "pmd-glue/placement.h"

namespace viaduct::net {

// Runs one function per worker on a thread of its own. Threads are registered with the EAL rather than started by it,
// so that EAL needs no core list and there may be more workers than cores. The EAL must be running.
class Workers {
 public:
  Workers() = default;
  // Joins.
  ~Workers() { join(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts body(worker) for each worker of the plan, in threads named "<name>-<worker>". An empty string, or what went
  // wrong (then body runs on none).
  std::string start(const Placement& placement, const std::string& name, std::function<void(unsigned)> body);
  // Waits until every body has returned. Telling them to is the caller's.
  void join();

 private:
  std::vector<std::thread> threads_;
};

}  // namespace viaduct::net
