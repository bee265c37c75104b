#include "engine/congestion/new_reno.h"

#include <algorithm>
#include <limits>

namespace viaduct::quic {

NewReno::NewReno(uint64_t max_datagram_size)
    : max_datagram_size_(max_datagram_size),
      window_(initial_window(max_datagram_size)),
      threshold_(std::numeric_limits<uint64_t>::max()) {}

void NewReno::on_ack(const AckSample& sample) {
  if (in_slow_start()) {
    if (slow_start_is_used(window_, sample)) window_ += sample.growth_bytes;
    return;
  }
  if (!avoidance_is_used(window_, sample, max_datagram_size_)) return;
  acked_in_avoidance_ += sample.growth_bytes;
  // meets RFC 9002 7.3.3-1
  while (acked_in_avoidance_ >= window_) {
    acked_in_avoidance_ -= window_;
    window_ += max_datagram_size_;
  }
}

// meets RFC 9002 7.3.1-1 7.3.2-1 7.3.2-2
bool NewReno::on_congestion_event(Instant sent_time, Instant now) {
  if (sent_time <= recovery_start_) return false;
  recovery_start_ = now;
  window_before_ = window_;
  threshold_before_ = threshold_;
  window_ = threshold_ = std::max(window_ / 2, minimum_window(max_datagram_size_));
  acked_in_avoidance_ = 0;
  return true;
}

void NewReno::on_persistent_congestion() {
  window_ = minimum_window(max_datagram_size_);
  recovery_start_ = kNoRecovery;
  window_before_ = 0;
}

void NewReno::on_spurious_congestion() {
  if (window_before_ <= window_) return;
  window_ = window_before_;
  threshold_ = threshold_before_;
  window_before_ = 0;
}

void NewReno::resume_at(uint64_t window, Duration) { window_ = window; }

void NewReno::retreat_to(uint64_t window) {
  window_ = threshold_ = std::min(window_, window);
  window_before_ = 0;
}

void NewReno::resume_slow_start_until(uint64_t window) { threshold_ = std::max(window, window_); }

void NewReno::set_max_datagram_size(uint64_t bytes) {
  max_datagram_size_ = bytes;
  window_ = std::max(window_, minimum_window(bytes));
}

}  // namespace viaduct::quic
