// For paths that lose packets though they are not full: how many losses are taken for the path's own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/congestion/bbr.h"
#include "engine/recovery/rtt.h"

namespace viaduct::quic {

// A departure from RFC 9002 and RFC 9438 that has to be asked for. By their rules each loss is congestion, and a window
// cannot be larger on average than 1.05 (RTT/p)^0.75 packets (RFC 9438 section 5.1): over 200 ms with p of 0.1 % that
// are 56, whatever the path could carry. With a tolerance losses below it that come with no queue are only sent again,
// and such beside a queue take CUBIC's window no further back than to what the path holds without one. A credit
// grows with what is acknowledged; what it does not cover is answered as ever, and so are marks and persistent
// congestion. BBR has a threshold of the same kind, but believes of the path only what arrives in a round with a loss:
// with a tolerance few losses without a queue do not count as one. As with BBR, flows beside it that answer each loss
// get less of a path that loses this much.
class LossTolerance {
 public:
  static constexpr auto kMost = static_cast<float>(Bbr::kLossThreshold);  // a share of packets
  static constexpr float kFewest = 3;                                     // packets that may be lost at once
  static constexpr float kRoundTrips = 2;                                 // for whose losses credit is kept

  // share: of packets, what is more than kMost counts as that. The others in bytes.
  void on_acked(float share, uint64_t acked, uint64_t window, uint64_t max_datagram_size) {
    const float per_byte = std::min(share, kMost) / static_cast<float>(max_datagram_size);
    const float most = std::max(kFewest, kRoundTrips * per_byte * static_cast<float>(window));
    credit_ = std::min(credit_ + per_byte * static_cast<float>(acked), most);
  }
  // Whether so many lost packets are few enough; they use up credit either way.
  bool covers(uint64_t lost) {
    const bool enough = static_cast<float>(lost) <= credit_;
    credit_ = std::max(credit_ - static_cast<float>(lost), 0.0F);
    return enough;
  }

  // Losses beside a queue are congestion: it would show in the round trip before it overflows. The bounds are
  // HyStart++'s (RFC 9406 section 4.3).
  static bool shows_queue(const RttEstimator& rtt) {
    return rtt.latest() > rtt.min() + std::clamp(rtt.min() / 8, Duration::milliseconds(4), Duration::milliseconds(16));
  }

 private:
  float credit_ = kFewest;
};

}  // namespace viaduct::quic
