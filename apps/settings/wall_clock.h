// The time of day for workers, who only know a monotonic one.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

#include "base/clock.h"
#include "base/instant.h"

namespace viaduct::settings {

// The control thread adjusts it now and then; workers read.
class WallClock {
 public:
  WallClock() { adjust(); }
  void adjust() {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    offset_.store(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec - MonotonicClock::now().ns(),
                  std::memory_order_relaxed);
  }
  // Seconds since 1970.
  int64_t unix_seconds(Instant now) const {
    return (now.ns() + offset_.load(std::memory_order_relaxed)) / 1'000'000'000;
  }

  // What is added to a worker's `now`, in nanoseconds.
  const std::atomic<int64_t>& offset() const { return offset_; }

 private:
  std::atomic<int64_t> offset_{0};
};

}  // namespace viaduct::settings
