// How often a peer asks us to acknowledge, and how often we ask it (draft-ietf-quic-ack-frequency).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"
#include "engine/recovery/rtt.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

// What we ask of a peer that offers it: fewer acknowledgements while the connection has much in flight.
class AckFrequencyRequest {
 public:
  static constexpr uint64_t kThreshold = 9;        // an acknowledgement for each ten packets
  static constexpr uint64_t kWorthPackets = 80;    // of window: from here on,
  static constexpr uint64_t kDefaultPackets = 40;  // and below here as RFC 9000 has it
  static constexpr Duration kLongest = Duration::milliseconds(25);

  // The peer's min_ack_delay: it accepts the frames.
  void set_peer_minimum(Duration delay) { minimum_ = delay; }
  bool is_offered() const { return minimum_ != Duration::infinite(); }

  // Whether a new request is worth a frame.
  bool wants(uint64_t window_packets, Duration smoothed_rtt) const {
    if (!is_offered() || is_due_) return is_due_;
    if (wants_few(window_packets) != asked_few_) return true;
    const Duration wanted = delay_for(smoothed_rtt);
    return asked_few_ && (wanted > requested_ * 2 || wanted * 2 < requested_);
  }
  AckFrequencyFrame next(uint64_t window_packets, Duration smoothed_rtt) {
    is_due_ = false;
    asked_few_ = wants_few(window_packets);
    requested_ = asked_few_ ? delay_for(smoothed_rtt) : std::max(minimum_, kLongest);
    return {.sequence = sequence_++,
            .threshold = asked_few_ ? kThreshold : 1,
            .max_delay_us = static_cast<uint64_t>(requested_.us()),
            .reordering = 1};
  }
  void on_lost(uint64_t sequence) { is_due_ |= sequence + 1 == sequence_; }
  // The longest that the peer may wait now: recovery counts on it.
  Duration requested() const { return requested_; }

 private:
  bool wants_few(uint64_t window_packets) const {
    return window_packets >= (asked_few_ ? kDefaultPackets : kWorthPackets);
  }
  // A quarter of the round trip.
  Duration delay_for(Duration rtt) const { return std::clamp(rtt / 4, minimum_, std::max(minimum_, kLongest)); }

  Duration minimum_ = Duration::infinite();
  Duration requested_;
  uint64_t sequence_ = 0;
  bool asked_few_ = false;
  bool is_due_ = false;
};

}  // namespace viaduct::quic
