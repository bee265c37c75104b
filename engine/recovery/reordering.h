// How much later than its successors a packet may be acknowledged without being taken for lost.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"

namespace viaduct::quic {

// RFC 9002 section 6.1 has a threshold of three packets and one of 9/8 round trips, and lets both adapt. They rise to
// more than what a spurious loss would have needed, and fall back after so many losses that were real, as RFC 8985
// section 6.2 does it.
class ReorderingTolerance {
 public:
  // meets RFC 9002 6.1.1-1 6.1.1-2
  static constexpr uint64_t kPackets = 3;  // RFC 9002 section 6.1.1
  static constexpr uint64_t kMostPackets = 1'024;
  static constexpr unsigned kEpisodesToForget = 16;

  // A packet is lost where one so many numbers above it was acknowledged,
  uint64_t packets() const { return packets_; }
  // or where any later one was, and so much time has passed since it was sent: 9/8 to 2 round trips. rtt: the larger of
  // the latest and the smoothed one.
  Duration delay(Duration rtt) const { return rtt + std::clamp(extra_, rtt / 8, rtt); }

  // A packet declared lost was acknowledged: so far below the largest acknowledged one, so long after it was sent.
  void on_spurious_loss(uint64_t distance, Duration age, Duration rtt);
  // A congestion event began, and no loss of the one before proved spurious.
  void on_genuine_losses();

 private:
  uint64_t packets_ = kPackets;
  Duration extra_;  // how much later than its successors a packet came
  unsigned genuine_episodes_ = 0;
};

}  // namespace viaduct::quic
