// Asks the servers of the pools that want it, and takes those out that do not answer.
#pragma once

#include <functional>
#include <vector>

#include "apps/lb/controller.h"
#include "apps/lb/health_channel.h"
#include "apps/lb/health_monitor.h"

namespace viaduct::lb {

// Control thread.
class HealthChecks {
 public:
  // channels: of all workers; questions go to the first, answers may come to any. nudge() wakes the first worker.
  HealthChecks(Controller& controller, ControlTarget& target, std::vector<HealthChannel*> channels,
               std::function<void()> nudge, Random random)
      : controller_(controller),
        target_(target),
        channels_(std::move(channels)),
        nudge_(std::move(nudge)),
        monitor_(random) {}

  // Sends what is due, takes what came, changes states. Some ten times a second.
  void tend();
  const HealthMonitor& monitor() const { return monitor_; }

 private:
  void follow_routing();
  void ask();
  void report();

  Controller& controller_;
  ControlTarget& target_;
  const std::vector<HealthChannel*> channels_;
  const std::function<void()> nudge_;
  HealthMonitor monitor_;
  uint64_t serial_ = 0;  // of the snapshot whose servers are watched
};

}  // namespace viaduct::lb
