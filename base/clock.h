// The one place that reads a clock. The worker loop calls it once per round and passes the time on.
#pragma once

#include <ctime>

#include "base/instant.h"

namespace viaduct {

struct MonotonicClock {
  static Instant now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return Instant::from_ns(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
  }
};

}  // namespace viaduct
