#include "engine/recovery/rtt.h"

#include <algorithm>

namespace viaduct::quic {

void RttEstimator::update(Duration latest, Duration ack_delay) {
  latest_ = std::max(latest, kShortestRtt);
  if (!has_sample_) {
    has_sample_ = true;
    // meets RFC 9002 5.2-1
    min_ = smoothed_ = latest_;
    variation_ = latest_ / 2;
    return;
  }
  // meets RFC 9002 5.2-2 5.2-3 5.2-4
  min_ = min_pending_ ? latest_ : std::min(min_, latest_);
  min_pending_ = false;

  // A delay beyond the sample itself is not believed, however large the peer made it.
  ack_delay = std::clamp(ack_delay, Duration(), latest_);
  // meets RFC 9002 5.3-4
  const Duration adjusted = latest_ >= min_ + ack_delay ? latest_ - ack_delay : latest_;
  const Duration deviation = adjusted > smoothed_ ? adjusted - smoothed_ : smoothed_ - adjusted;
  variation_ = (variation_ * 3 + deviation) / 4;
  smoothed_ = (smoothed_ * 7 + adjusted) / 8;
}

// meets RFC 9002 6.2.1-1
Duration RttEstimator::probe_timeout() const { return smoothed_ + std::max(variation_ * 4, kGranularity); }

}  // namespace viaduct::quic
