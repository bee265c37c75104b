// So many per second, and no more than one second's worth at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"

namespace viaduct::quic {

class RateLimit {
 public:
  explicit RateLimit(unsigned per_second) : per_second_(per_second), credit_(double(per_second)) {}

  // True, and one taken, where there is one left.
  bool take(Instant now) {
    credit_ = std::min(double(per_second_), credit_ + (now - last_).seconds() * per_second_);
    last_ = now;
    if (credit_ < 1) return false;
    credit_ -= 1;
    return true;
  }

 private:
  unsigned per_second_;
  double credit_;
  Instant last_;
};

}  // namespace viaduct::quic
