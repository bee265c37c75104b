// The balancer as its control plane sees it: the running program, or a test's stand-in.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/lb/configuration.h"
#include "apps/lb/decision_capture.h"
#include "apps/lb/health_monitor.h"
#include "apps/lb/router.h"
#include "apps/lb/routing_snapshot.h"
#include "base/bytes.h"
#include "base/instant.h"

namespace viaduct::lb {

// Lines that say what is wrong; none where nothing is.
using Errors = std::vector<std::string>;

// All calls are the control thread's.
class ControlTarget {
 public:
  virtual ~ControlTarget() = default;

  virtual Instant now() const = 0;
  // What workers decide by.
  virtual const RoutingSnapshot& routing() const = 0;
  // Gives the workers another configuration, or says why not.
  virtual Errors apply(const Configuration& configuration) = 0;
  // What routing() would become.
  virtual std::expected<std::unique_ptr<const RoutingSnapshot>, Errors> preview(
      const Configuration& configuration) const = 0;
  // Reads a file; an empty name is that of the start.
  virtual std::expected<Configuration, Errors> load(const std::string& file) const = 0;

  struct Figures {
    uint64_t received = 0, sent = 0, send_drops = 0, busy_ns = 0;
  };
  virtual size_t workers() const = 0;
  virtual Figures figures(size_t worker) const = 0;
  // For its counters.
  virtual const Router& router(size_t worker) const = 0;
  // What a worker would do with a frame, its tables included; empty where it does not answer.
  virtual std::optional<Decision> explain(size_t worker, Bytes frame) = 0;

  // Null where no server is asked.
  virtual const HealthFigures* health(const std::string& backend) const = 0;

  // The error is one sentence.
  virtual std::string start_capture(const std::string& file, Duration length) = 0;
  virtual CaptureFigures capture() const = 0;
};

// What a backend got, of all workers.
struct BackendFigures {
  std::array<uint64_t, std::size(kRoutingStepNames)> packets{};  // by how it was found
  uint64_t bytes = 0;
};

inline BackendFigures figures_of(const ControlTarget& target, size_t slot) {
  BackendFigures sum;
  for (size_t worker = 0; worker < target.workers(); ++worker) {
    const BackendCounters& counters = target.router(worker).backend_counters()[slot];
    for (size_t step = 0; step < sum.packets.size(); ++step) sum.packets[step] += counters.packets[step].value();
    sum.bytes += counters.bytes.value();
  }
  return sum;
}

}  // namespace viaduct::lb
