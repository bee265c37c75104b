// Moments of a test's time, counted from its beginning.
#pragma once

#include <cstdint>

#include "base/instant.h"

namespace viaduct {

inline Instant at_us(int64_t us) { return Instant::from_ns(us * 1'000); }
inline Instant at_ms(int64_t ms) { return Instant::from_ns(ms * 1'000'000); }
inline Instant at_s(int64_t s) { return Instant::from_ns(s * 1'000'000'000); }

}  // namespace viaduct
