// Which connections of an endpoint are watched, and the ring that their events leave by.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/random.h"
#include "base/spsc_ring.h"
#include "engine/trace/trace_event.h"

namespace viaduct::quic {

struct TraceChoice {
  uint64_t one_in = 0;               // connections, at random; 0: none
  std::vector<IpAddress> addresses;  // and all of these peers
};

// One endpoint's. Nobody waits: what finds the ring full is dropped and counted.
class Tracer {
 public:
  Tracer(const TraceChoice& choice, size_t slots) : choice_(choice), ring_(slots) {}

  // --- the endpoint's thread ---
  // A number for a new connection that is to be watched; 0 for another.
  uint64_t choose(const IpAddress& peer, Random& random);
  void put(const TraceEvent& event) {
    if (!ring_.push(event)) dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // --- the reader's thread ---
  SpscRing<TraceEvent>& ring() { return ring_; }
  // --- any thread ---
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const TraceChoice choice_;
  SpscRing<TraceEvent> ring_;
  uint64_t next_ = 1;
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace viaduct::quic
