// What the controller is told, and the rate and window that follow from its model (section 5.6 of the draft).
#include "engine/congestion/bbr.h"

#include <algorithm>
#include <cmath>

namespace viaduct::quic {

namespace {
constexpr double kPacingMargin = 0.99;  // a little below what the path delivers
constexpr double kStartupGain = 2.77;
constexpr double kDrainGain = 0.5;
constexpr double kDownGain = 0.9;
constexpr double kUpGain = 1.25;
constexpr double kWindowGain = 2.0;
constexpr double kUpWindowGain = 2.25;
constexpr double kProbeRttWindowGain = 0.5;
constexpr double kHeadroom = 0.15;
constexpr double kQuantumTime = 0.001;  // seconds' worth of bytes that may leave at once
constexpr double kMostQuantum = 64 << 10;
}  // namespace

Bbr::Bbr(uint64_t max_datagram_size)
    : max_datagram_size_(max_datagram_size), window_(initial_window(max_datagram_size)) {}

void Bbr::on_ack(const AckSample& sample) {
  delivered_ = sample.rate.total_delivered;
  if (pacing_rate_ <= 0 && sample.smoothed_rtt > Duration()) {
    pacing_rate_ = kStartupGain * static_cast<double>(window_) / sample.smoothed_rtt.seconds();
  }
  update_round(sample.rate);
  // --- the model ---
  loss_round_start_ = sample.rate.is_valid && sample.rate.prior_delivered >= loss_round_delivered_;
  if (loss_round_start_) loss_round_delivered_ = delivered_;
  bandwidth_latest_ = std::max(bandwidth_latest_, sample.rate.bytes_per_second);
  inflight_latest_ = std::max(inflight_latest_, sample.rate.delivered);
  update_congestion_signals(sample);
  update_aggregation(sample);
  check_full_bandwidth(sample);
  check_startup_and_drain(sample);
  update_cycle_phase(sample);
  update_min_rtt(sample);
  check_probe_rtt(sample);
  if (loss_round_start_) {
    bandwidth_latest_ = sample.rate.bytes_per_second;
    inflight_latest_ = sample.rate.delivered;
  }
  bandwidth_ = std::min(max_bandwidth_, bandwidth_shortterm_);
  // --- what follows from it ---
  set_pacing_rate();
  set_window(sample);
}

bool Bbr::on_congestion_event(Instant sent_time, Instant now) {
  if (sent_time <= recovery_start_) return false;
  recovery_start_ = now;
  return true;
}

// A mark is congestion as a loss is; unlike a loss it does not say how much was too much.
bool Bbr::on_ecn_congestion(Instant sent_time, Instant now) {
  if (!loss_in_round_) save_undo_state();
  loss_in_round_ = true;
  if (probe_samples_ || state_ == State::kStartup) {
    full_bandwidth_reached_ = true;
    handle_inflight_too_high(inflight_latest_, false, now);
    undo_state_.reset();  // a mark is never spurious
  }
  return on_congestion_event(sent_time, now);
}

void Bbr::on_persistent_congestion() {
  window_ = minimum_window(max_datagram_size_);
  recovery_start_ = kNoRecovery;
}

// The rate that goes with the window is sent for a round trip; what of it arrives is measured like any.
void Bbr::resume_at(uint64_t window, Duration smoothed_rtt) {
  window_ = window;
  if (state_ == State::kStartup) {
    pacing_rate_ = std::max(pacing_rate_, static_cast<double>(window) / smoothed_rtt.seconds());
  }
}

// Startup goes on from what was measured, and ends by its own rules.
void Bbr::retreat_to(uint64_t window) {
  window_ = std::min(window_, std::max(window, minimum_pipe()));
  if (min_rtt_ != Duration::infinite()) {
    pacing_rate_ = std::min(pacing_rate_, static_cast<double>(window_) / min_rtt_.seconds());
  }
  undo_state_.reset();
}

void Bbr::resume_slow_start_until(uint64_t) {}

void Bbr::set_max_datagram_size(uint64_t bytes) {
  max_datagram_size_ = bytes;
  window_ = std::max(window_, minimum_window(bytes));
}

double Bbr::pacing_gain() const {
  switch (state_) {
    case State::kStartup:
      return kStartupGain;
    case State::kDrain:
      return kDrainGain;
    case State::kDown:
      return kDownGain;
    case State::kUp:
      return kUpGain;
    default:
      return 1.0;
  }
}

double Bbr::window_gain() const {
  if (state_ == State::kUp) return kUpWindowGain;
  return state_ == State::kProbeRtt ? kProbeRttWindowGain : kWindowGain;
}

void Bbr::set_pacing_rate() { set_pacing_rate_with_gain(pacing_gain()); }

// Until the path is full, the rate only rises.
void Bbr::set_pacing_rate_with_gain(double gain) {
  const double rate = gain * bandwidth_ * kPacingMargin;
  if (rate > 0 && (full_bandwidth_reached_ || rate > pacing_rate_)) pacing_rate_ = rate;
}

uint64_t Bbr::bdp_multiple(double bandwidth, double gain) const {
  if (min_rtt_ == Duration::infinite() || bandwidth <= 0) return initial_window(max_datagram_size_);
  return static_cast<uint64_t>(gain * bandwidth * min_rtt_.seconds());
}

// Room for what pacing lets go at once, and for a probe to show.
uint64_t Bbr::quantized(uint64_t inflight) const {
  const auto quantum = static_cast<uint64_t>(std::min(pacing_rate_ * kQuantumTime, kMostQuantum));
  inflight = std::max({inflight, 3 * std::max(quantum, 2 * max_datagram_size_), minimum_pipe()});
  return state_ == State::kUp ? inflight + 2 * max_datagram_size_ : inflight;
}

uint64_t Bbr::inflight_with_headroom() const {
  if (inflight_longterm_ == kNoLimit) return kNoLimit;
  const auto headroom = static_cast<uint64_t>(kHeadroom * static_cast<double>(inflight_longterm_));
  const uint64_t left = inflight_longterm_ - std::min(inflight_longterm_, std::max(headroom, max_datagram_size_));
  return std::max(left, minimum_pipe());
}

uint64_t Bbr::probe_rtt_window() const {
  return std::max(bdp_multiple(bandwidth_, kProbeRttWindowGain), minimum_pipe());
}

uint64_t Bbr::target_inflight() const { return std::min(bdp_multiple(bandwidth_, 1.0), window_); }

void Bbr::set_window(const AckSample& sample) {
  const uint64_t extra = std::max(extra_acked_[0], extra_acked_[1]);
  const uint64_t most = quantized(bdp_multiple(bandwidth_, window_gain()) + extra);
  if (full_bandwidth_reached_) {
    window_ = std::min(window_ + sample.acked_bytes, most);
  } else if (window_ < most || delivered_ < initial_window(max_datagram_size_)) {
    window_ += sample.acked_bytes;
  }
  window_ = std::max(window_, minimum_pipe());
  if (state_ == State::kProbeRtt) window_ = std::min(window_, probe_rtt_window());

  uint64_t cap = kNoLimit;
  if (state_ == State::kCruise || state_ == State::kProbeRtt) {
    cap = inflight_with_headroom();
  } else if (is_in_probe_bandwidth()) {
    cap = inflight_longterm_;
  }
  window_ = std::min(window_, std::max(std::min(cap, inflight_shortterm_), minimum_pipe()));
}

}  // namespace viaduct::quic
