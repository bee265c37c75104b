#include "engine/recovery/rtt.h"

#include <algorithm>

namespace viaduct::quic {

void RttEstimator::update(Duration latest, Duration ack_delay) {
  latest_ = std::max(latest, kShortestRtt);
  if (!has_sample_) {
    has_sample_ = true;
    min_ = smoothed_ = latest_;
    variation_ = latest_ / 2;
    return;
  }
  min_ = min_pending_ ? latest_ : std::min(min_, latest_);
  min_pending_ = false;

  // A delay beyond the sample itself is not believed, however large the peer made it.
  ack_delay = std::clamp(ack_delay, Duration(), latest_);
  const Duration adjusted = latest_ >= min_ + ack_delay ? latest_ - ack_delay : latest_;
  const Duration deviation = adjusted > smoothed_ ? adjusted - smoothed_ : smoothed_ - adjusted;
  variation_ = (variation_ * 3 + deviation) / 4;
  smoothed_ = (smoothed_ * 7 + adjusted) / 8;
}

Duration RttEstimator::probe_timeout() const { return smoothed_ + std::max(variation_ * 4, kGranularity); }

Duration RttEstimator::loss_delay() const { return std::max(std::max(latest_, smoothed_) * 9 / 8, kGranularity); }

}  // namespace viaduct::quic
