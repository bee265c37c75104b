#include "pmd-glue/lcore_usage.h"

#include <rte_lcore.h>

#include <array>
#include <mutex>

namespace viaduct::net {
namespace {

// Telemetry's thread may be reading counters while their port goes.
std::mutex mutex;
std::array<const FramePortCounters*, RTE_MAX_LCORE> usage{};

int read_usage(unsigned lcore, rte_lcore_usage* out) {
  const std::lock_guard lock(mutex);
  if (!usage[lcore]) return -1;
  out->total_cycles = usage[lcore]->total_cycles.load(std::memory_order_relaxed);
  out->busy_cycles = usage[lcore]->busy_cycles.load(std::memory_order_relaxed);
  return 0;
}

}  // namespace

bool add_lcore_usage(const FramePortCounters& counters) {
  const unsigned lcore = rte_lcore_id();
  if (lcore >= usage.size()) return true;
  const std::lock_guard lock(mutex);
  usage[lcore] = &counters;
  return true;
}

void forget_lcore_usage(const FramePortCounters& counters) {
  const std::lock_guard lock(mutex);
  for (const FramePortCounters*& entry : usage) {
    if (entry == &counters) entry = nullptr;
  }
}

void register_lcore_usage() { rte_lcore_register_usage_cb(read_usage); }

}  // namespace viaduct::net
