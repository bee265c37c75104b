// How fast the path delivers, measured by each acknowledgement (draft-ietf-ccwg-bbr section 4.1).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"

namespace viaduct::quic {

// What is remembered with each packet: the counters when it was sent, in 32 bits as what is in flight spans less.
struct DeliverySnapshot {
  uint32_t delivered = 0;      // bytes, modulo 2^32
  uint32_t lost = 0;           // bytes, modulo 2^32
  uint32_t in_flight = 0;      // bytes, this packet included
  uint32_t delivered_ago = 0;  // microseconds before it was sent: when `delivered` became true,
  uint32_t flight_ago = 0;     // and when the first packet of the flight it belongs to was sent
  bool app_limited = false;    // there was less to send than the window allowed
};

// What one ACK frame says of the path.
struct RateSample {
  double bytes_per_second = 0;   // 0: the acknowledgement gives no rate
  uint64_t delivered = 0;        // bytes, between sending of the newest acknowledged packet and its acknowledgement
  uint64_t prior_delivered = 0;  // bytes in all, when that packet was sent
  uint64_t total_delivered = 0;  // bytes in all, now
  uint64_t in_flight = 0;        // bytes, when that packet was sent
  uint64_t lost = 0;             // bytes declared lost since
  bool app_limited = false;
  bool is_valid = false;  // something was newly acknowledged
};

// The counters of one connection's path.
class DeliveryRate {
 public:
  // A packet in flight leaves. bytes_in_flight: without it.
  DeliverySnapshot on_sent(Instant now, uint64_t bytes, uint64_t bytes_in_flight) {
    if (bytes_in_flight == 0) flight_start_ = delivered_time_ = now;
    return {.delivered = static_cast<uint32_t>(delivered_),
            .lost = static_cast<uint32_t>(lost_),
            .in_flight = static_cast<uint32_t>(bytes_in_flight + bytes),
            .delivered_ago = microseconds(now - delivered_time_),
            .flight_ago = microseconds(now - flight_start_),
            .app_limited = app_limited_until_ > delivered_};
  }
  // Of one ACK frame, for each packet it newly acknowledges, in the order they were sent; then take_sample().
  void on_acked(const DeliverySnapshot& snapshot, Instant sent, uint64_t bytes, Instant now) {
    delivered_ += bytes;
    delivered_time_ = now;
    newest_ = snapshot;
    newest_sent_ = sent;
  }
  RateSample take_sample(Instant now, Duration min_rtt);
  void on_lost(uint64_t bytes) { lost_ += bytes; }
  // Nothing more was to be sent though the window had room: what is in flight now measures the sender, not the path.
  void on_app_limited(uint64_t bytes_in_flight) {
    app_limited_until_ = std::max<uint64_t>(delivered_ + bytes_in_flight, 1);
  }

  uint64_t delivered() const { return delivered_; }
  uint64_t lost_since(const DeliverySnapshot& snapshot) const { return static_cast<uint32_t>(lost_) - snapshot.lost; }

 private:
  static uint32_t microseconds(Duration duration) {
    return static_cast<uint32_t>(std::clamp<int64_t>(duration.us(), 0, UINT32_MAX));
  }

  uint64_t delivered_ = 0;
  uint64_t lost_ = 0;
  uint64_t app_limited_until_ = 0;  // the value of delivered_ from which on samples measure the path again
  Instant delivered_time_;
  Instant flight_start_;
  DeliverySnapshot newest_;
  Instant newest_sent_ = Instant::never();  // never: nothing since the last sample
};

}  // namespace viaduct::quic
