// The estimate of a path's round-trip time (RFC 9002 section 5).
#pragma once

#include "base/instant.h"

namespace viaduct::quic {

// meets RFC 9002 6.1.2-5
inline constexpr Duration kGranularity = Duration::milliseconds(1);  // RFC 9002 section 6.1.2
// meets RFC 9002 6.2.2-1
inline constexpr Duration kInitialRtt = Duration::milliseconds(333);  // RFC 9002 section 6.2.2
// A sample is at least this: packets and ACKs may carry the same stamp of one loop round, and rates divide by it.
inline constexpr Duration kShortestRtt = Duration::microseconds(1);

class RttEstimator {
 public:
  explicit RttEstimator(Duration initial_rtt = kInitialRtt) : smoothed_(initial_rtt), variation_(initial_rtt / 2) {}

  // Takes a sample: the time since the largest newly acknowledged packet was sent. ack_delay: what the peer says it
  // waited, already limited to max_ack_delay if that holds, and zero for Initial packets.
  void update(Duration latest, Duration ack_delay);

  bool has_sample() const { return has_sample_; }
  Duration smoothed() const { return smoothed_; }
  Duration variation() const { return variation_; }
  Duration latest() const { return latest_; }
  Duration min() const { return min_; }  // zero before the first sample

  // The probe timeout without the peer's max_ack_delay and without backoff (RFC 9002 section 6.2.1).
  Duration probe_timeout() const;
  // What loss thresholds are measured in (RFC 9002 section 6.1.2).
  Duration larger() const { return latest_ > smoothed_ ? latest_ : smoothed_; }

  // min() is taken from the next sample (persistent congestion, RFC 9002 section 5.2).
  void restart_min() { min_pending_ = true; }

 private:
  Duration smoothed_;
  Duration variation_;
  Duration latest_;
  Duration min_;
  bool has_sample_ = false;
  bool min_pending_ = false;
};

}  // namespace viaduct::quic
