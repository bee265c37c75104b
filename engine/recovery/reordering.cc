#include "engine/recovery/reordering.h"

#include "engine/recovery/rtt.h"

namespace viaduct::quic {

void ReorderingTolerance::on_spurious_loss(uint64_t distance, Duration age, Duration rtt) {
  packets_ = std::max(packets_, std::min(2 * distance, kMostPackets));
  extra_ = std::max(extra_, (age - rtt) * 5 / 4 + kGranularity);
  genuine_episodes_ = 0;
}

void ReorderingTolerance::on_genuine_losses() {
  if (++genuine_episodes_ < kEpisodesToForget) return;
  *this = {};
}

}  // namespace viaduct::quic
