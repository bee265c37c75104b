// When a packet number is left out on purpose (RFC 9000 section 21.4).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/random.h"

namespace viaduct::quic {

// A peer that acknowledges packets before it has them, so as to be sent more than its share, cannot know which numbers
// were never sent: they are drawn at random. Each gap may be twice as long as the one before, up to a bound: a short
// connection has its trap early, and a long one costs its peer few ranges.
class SkipPolicy {
 public:
  static constexpr uint64_t kFirstGap = 128;  // packets, on average
  static constexpr uint64_t kLongestGap = 16'384;

  // Whether the number is to be skipped instead of being the next packet's.
  bool due(uint64_t next_number, Random& random) {
    if (next_number < next_) return false;
    const bool is_first = next_ == 0;
    next_ = next_number + 1 + random.below(2 * gap_);
    if (!is_first) gap_ = std::min(2 * gap_, kLongestGap);
    return !is_first;
  }

 private:
  uint64_t next_ = 0;  // 0: not drawn yet
  uint64_t gap_ = kFirstGap;
};

}  // namespace viaduct::quic
