// What a worker counts of backends and of configurations of connection IDs.
#pragma once

#include <cstdint>
#include <iterator>

#include "apps/lb/burst.h"
#include "base/worker_stats.h"

namespace viaduct::lb {

// Packets that a backend got, by how it was found, and when one was last routed by a configuration: `show` and
// `rotate` read these from any thread.
struct alignas(64) BackendCounters {
  Counter packets[std::size(kRoutingStepNames)];
  Counter bytes;
  // The worker's own, here because it reads this with every packet: what the router has to know of the backend.
  uint64_t brief = 0;
};
static_assert(sizeof(BackendCounters) == 64);
struct IdCounters {
  Counter packets;
  Counter last_seen_ns;
};

}  // namespace viaduct::lb
