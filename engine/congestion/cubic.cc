#include "engine/congestion/cubic.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace viaduct::quic {

namespace {
constexpr double kC = 0.4;          // datagrams per second³ (RFC 9438 section 5.1)
constexpr double kBetaCubic = 0.7;  // RFC 9438 section 4.6
constexpr double kAlphaCubic = 3 * (1 - kBetaCubic) / (1 + kBetaCubic);
}  // namespace

Cubic::Cubic(uint64_t max_datagram_size) : max_datagram_size_(max_datagram_size) {
  state_.window = initial_window(max_datagram_size);
  state_.threshold = std::numeric_limits<uint64_t>::max();
}

void Cubic::on_ack(const AckSample& sample) {
  if (in_slow_start()) {
    slow_start(sample);
  } else {
    avoid_congestion(sample);
  }
  last_ack_ = sample.now;
}

void Cubic::slow_start(const AckSample& sample) {
  auto advice = HyStart::Advice::kGrow;
  if (recovery_start_ == kNoRecovery && state_.prior_window == 0) advice = hystart_.on_ack(sample);
  if (advice == HyStart::Advice::kExit) {
    state_.threshold = state_.window;
    return;
  }
  if (!slow_start_is_used(state_.window, sample)) return;
  const uint64_t divisor = advice == HyStart::Advice::kConservative ? HyStart::kConservativeDivisor : 1;
  state_.window += sample.growth_bytes / divisor;
}

void Cubic::avoid_congestion(const AckSample& sample) {
  if (sample.growth_bytes == 0) return;  // the recovery period still lasts
  if (!state_.in_epoch) begin_epoch(sample.now);
  if (!avoidance_is_used(state_.window, sample, max_datagram_size_)) {
    // Time in which the window was not used does not move along the curve (RFC 9438 section 5.8).
    state_.epoch_start = state_.epoch_start + (sample.now - std::max(last_ack_, state_.epoch_start));
    return;
  }
  const auto window = static_cast<double>(state_.window);
  const double acked_windows = static_cast<double>(sample.growth_bytes) / window;
  const double elapsed = (sample.now - state_.epoch_start).seconds();

  // RFC 9438 section 4.3: as Reno would grow from the same reduction, or as Reno does above where it was.
  const double alpha = state_.w_est < static_cast<double>(state_.prior_window) ? kAlphaCubic : 1.0;
  state_.w_est += alpha * acked_windows * static_cast<double>(max_datagram_size_);
  if (curve(elapsed) < state_.w_est) {
    grow_by(std::max(state_.w_est - window, 0.0));
    return;
  }
  const double target = std::clamp(curve(elapsed + sample.smoothed_rtt.seconds()), window, 1.5 * window);
  grow_by((target - window) * acked_windows);
}

void Cubic::begin_epoch(Instant now) {
  const auto window = static_cast<double>(state_.window);
  state_.in_epoch = true;
  state_.epoch_start = now;
  state_.w_est = window;
  state_.w_max = std::max(state_.w_max, window);
  state_.k = std::cbrt((state_.w_max - window) / (kC * static_cast<double>(max_datagram_size_)));
}

// RFC 9438 section 4.2.
double Cubic::curve(double seconds) const {
  const double t = seconds - state_.k;
  return kC * static_cast<double>(max_datagram_size_) * t * t * t + state_.w_max;
}

void Cubic::grow_by(double bytes) {
  fraction_ += bytes;
  const double whole = std::floor(fraction_);
  state_.window += static_cast<uint64_t>(whole);
  fraction_ -= whole;
}

bool Cubic::on_congestion_event(Instant sent_time, Instant now) {
  if (sent_time <= recovery_start_) return false;
  recovery_start_ = now;
  before_ = state_;
  const auto window = static_cast<double>(state_.window);
  // Fast convergence: below the last maximum, leave room for newer flows (RFC 9438 section 4.7).
  state_.w_max = window < state_.w_max ? window * (1 + kBetaCubic) / 2 : window;
  state_.prior_window = state_.window;
  state_.window = std::max(static_cast<uint64_t>(window * kBetaCubic), minimum_window(max_datagram_size_));
  state_.threshold = state_.window;
  state_.in_epoch = false;
  fraction_ = 0;
  return true;
}

void Cubic::on_persistent_congestion() {
  state_.window = minimum_window(max_datagram_size_);
  state_.in_epoch = false;
  recovery_start_ = kNoRecovery;
  before_ = {};
}

void Cubic::on_spurious_congestion() {
  if (before_.window <= state_.window) return;
  state_ = before_;
  before_ = {};
}

void Cubic::resume_at(uint64_t window, Duration) { state_.window = window; }

void Cubic::retreat_to(uint64_t window) {
  state_.window = std::min(state_.window, window);
  state_.threshold = state_.prior_window = state_.window;
  state_.w_max = static_cast<double>(state_.window);
  before_ = {};
}

void Cubic::resume_slow_start_until(uint64_t window) { state_.threshold = std::max(window, state_.window); }

void Cubic::set_max_datagram_size(uint64_t bytes) {
  max_datagram_size_ = bytes;
  state_.window = std::max(state_.window, minimum_window(bytes));
}

}  // namespace viaduct::quic
