// Spreads what the congestion window allows over the round trip (RFC 9002 section 7.7): a bucket of bytes that fills
// at a rate.
#pragma once

#include <cstdint>

#include "base/instant.h"

namespace viaduct::quic {

// The bucket holds the larger of kBurstPackets datagrams and what the rate gives in kBurstTime: with the loop's single
// time stamp per round, many packets leave "at once", and a rate of 10 Gb/s needs that.
// meets RFC 9002 7.7-1 7.7-2 7.7-3
class Pacer {
 public:
  static constexpr uint64_t kBurstPackets = 10;  // RFC 9002 section 7.7: not above the initial window
  static constexpr Duration kBurstTime = Duration::microseconds(250);

  explicit Pacer(uint64_t max_datagram_size) : max_datagram_size_(max_datagram_size) {}

  void set_max_datagram_size(uint64_t bytes) { max_datagram_size_ = bytes; }

  // The rate is 1.25 windows per smoothed round trip, 2 in slow start.
  void set_rate(uint64_t window, Duration smoothed_rtt, bool slow_start, Instant now);

  // A rate of the controller's own.
  void set_bytes_per_second(double rate, Instant now);

  // Whether a packet may be sent now.
  bool may_send(Instant now) const {
    return bytes_per_ns_ == 0 || credit_at(now) >= static_cast<double>(max_datagram_size_);
  }
  // When to look again: `now` if a packet may be sent; otherwise when the bucket holds enough for a few, so that a fast
  // connection does not wake for each.
  Instant next_send_time(Instant now) const;
  // Takes the packet's bytes; probes, which do not wait, may take the bucket below empty.
  void on_sent(uint64_t bytes, Instant now);

  // Bytes per second; 0 before set_rate(), which means no limit.
  double rate() const { return bytes_per_ns_ * 1e9; }

 private:
  void change_rate(double bytes_per_ns, Instant now);
  double capacity() const;
  double credit_at(Instant now) const;

  uint64_t max_datagram_size_;
  double bytes_per_ns_ = 0;
  double credit_ = 0;
  Instant filled_;  // when credit_ was true
};

}  // namespace viaduct::quic
