// What a worker did, for telemetry.
#pragma once

#include <atomic>
#include <cstdint>

namespace viaduct {

// A number that one thread changes and any thread reads.
class Counter {
 public:
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  void add(uint64_t n) { set(value() + n); }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct alignas(64) WorkerStats {
  Counter loops;
  Counter busy_loops;  // rounds that moved a packet, an event or a timer
  Counter busy_ns;     // time spent in those
  Counter waits;       // times it went to sleep
  Counter received;    // packets from the port
  Counter handed_off;  // of those, given to their owners
  Counter refused;     // of those, dropped because the owner's ring was full
  Counter taken;       // packets that other workers gave it
  Counter built;       // packets filled by the handler
  Counter sent;        // packets that the port took
  Counter released;    // packets that the handler gave back
  Counter backlog;     // built packets that the port has yet to take, now
};

}  // namespace viaduct
