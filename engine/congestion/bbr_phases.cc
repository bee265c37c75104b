// The state machine: startup, drain, the cycle of probes for bandwidth, and probes for the round trip (sections 5.3 and
// 5.4 of the draft).
#include <algorithm>

#include "engine/congestion/bbr.h"

namespace viaduct::quic {

namespace {
constexpr double kFullBandwidthGrowth = 1.25;
constexpr uint32_t kFullBandwidthRounds = 3;
constexpr uint32_t kStartupFullLosses = 6;  // runs of lost packets in one round
constexpr uint64_t kDrainRounds = 3;
constexpr uint64_t kMostRenoRounds = 63;
constexpr Duration kProbeRttTime = Duration::milliseconds(200);

// Spreads flows that share a queue; nothing depends on its being unpredictable.
uint64_t scatter(Instant now) {
  uint64_t x = static_cast<uint64_t>(now.ns()) * 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  return x ^ x >> 31;
}
}  // namespace

bool Bbr::is_in_probe_bandwidth() const {
  return state_ == State::kDown || state_ == State::kCruise || state_ == State::kRefill || state_ == State::kUp;
}

bool Bbr::is_probing() const { return state_ == State::kStartup || state_ == State::kRefill || state_ == State::kUp; }

bool Bbr::is_window_limited(const AckSample& sample) const {
  return avoidance_is_used(window_, sample, max_datagram_size_);
}

// --- startup and drain ---

void Bbr::reset_full_bandwidth(double bandwidth) {
  full_bandwidth_ = bandwidth;
  full_bandwidth_rounds_ = 0;
  full_bandwidth_now_ = false;
}

// The path is full where three rounds bring no quarter more.
void Bbr::check_full_bandwidth(const AckSample& sample) {
  if (full_bandwidth_now_ || !round_start_ || sample.rate.app_limited) return;
  if (sample.rate.bytes_per_second >= full_bandwidth_ * kFullBandwidthGrowth) {
    return reset_full_bandwidth(sample.rate.bytes_per_second);
  }
  full_bandwidth_now_ = ++full_bandwidth_rounds_ >= kFullBandwidthRounds;
  full_bandwidth_reached_ |= full_bandwidth_now_;
}

// Or where a round lost more than a queue that only fills now and then would lose.
void Bbr::check_startup_loss(const AckSample& sample) {
  if (full_bandwidth_reached_ || losses_in_round_ < kStartupFullLosses) return;
  if (!is_too_much_lost(sample.rate.lost, sample.rate.in_flight)) return;
  undo_state_ = State::kStartup;
  full_bandwidth_reached_ = true;
  inflight_longterm_ = std::max(bdp_multiple(max_bandwidth_, 1.0), inflight_latest_);
}

void Bbr::check_startup_and_drain(const AckSample& sample) {
  if (state_ == State::kStartup && full_bandwidth_reached_) {
    state_ = State::kDrain;
    drain_start_round_ = round_count_;
  }
  if (state_ != State::kDrain) return;
  const bool is_drained = sample.in_flight <= quantized(bdp_multiple(max_bandwidth_, 1.0));
  if (is_drained || round_count_ >= drain_start_round_ + kDrainRounds) start_down(sample.now);
}

// --- the cycle ---

void Bbr::update_cycle_phase(const AckSample& sample) {
  if (!full_bandwidth_reached_) return;
  adapt_long_term_model(sample);
  switch (state_) {
    case State::kDown: {
      if (is_time_to_probe(sample.now)) return;
      const uint64_t full = quantized(bdp_multiple(max_bandwidth_, 1.0));
      if (sample.in_flight <= std::min(full, inflight_with_headroom())) state_ = State::kCruise;
      return;
    }
    case State::kCruise:
      is_time_to_probe(sample.now);
      return;
    case State::kRefill:
      // One round trip fills the pipe, so that what comes then is the path's answer to more.
      if (!round_start_) return;
      probe_samples_ = true;
      reset_full_bandwidth(sample.rate.bytes_per_second);
      start_up();
      return;
    case State::kUp:
      if (is_time_to_go_down(sample)) start_down(sample.now);
      return;
    default:
      return;
  }
}

bool Bbr::is_time_to_probe(Instant now) {
  // As often as Reno would need to grow by as much, so that both can live beside each other.
  const uint64_t reno_rounds = std::min(target_inflight() / max_datagram_size_, kMostRenoRounds);
  if (now <= cycle_stamp_ + probe_wait_ && rounds_since_probe_ < reno_rounds) return false;
  start_refill();
  return true;
}

bool Bbr::is_time_to_go_down(const AckSample& sample) {
  if (is_window_limited(sample) && window_ >= inflight_longterm_) {
    reset_full_bandwidth(sample.rate.bytes_per_second);  // the long-term bound is what holds it, not the path
    return false;
  }
  return full_bandwidth_now_;
}

void Bbr::pick_probe_wait(Instant now) {
  const uint64_t random = scatter(now);
  rounds_since_probe_ = static_cast<uint32_t>(random & 1);
  probe_wait_ = Duration::seconds(2) + Duration::microseconds(static_cast<int64_t>((random >> 1) % 1'000'000));
}

void Bbr::start_down(Instant now) {
  reset_congestion_signals();
  pick_probe_wait(now);
  cycle_stamp_ = now;
  ack_phase_ = AckPhase::kProbeStopping;
  start_round(delivered_);
  state_ = State::kDown;
}

void Bbr::start_refill() {
  reset_short_term_model();
  probe_up_rounds_ = 0;
  probe_up_acked_ = 0;
  ack_phase_ = AckPhase::kRefilling;
  start_round(delivered_);
  state_ = State::kRefill;
}

void Bbr::start_up() {
  ack_phase_ = AckPhase::kProbeStarting;
  start_round(delivered_);
  state_ = State::kUp;
  raise_inflight_slope();
}

// --- the round trip ---

void Bbr::check_probe_rtt(const AckSample& sample) {
  if (state_ != State::kProbeRtt && probe_rtt_expired_ && !idle_restart_) {
    saved_window_ = window_;
    state_ = State::kProbeRtt;
    probe_rtt_done_ = Instant::never();
    ack_phase_ = AckPhase::kProbeStopping;
    start_round(delivered_);
  }
  if (state_ == State::kProbeRtt) handle_probe_rtt(sample);
  if (sample.rate.delivered > 0) idle_restart_ = false;
}

// Little in flight for a while: queues of ours are empty, and the round trip is the path's alone.
void Bbr::handle_probe_rtt(const AckSample& sample) {
  if (probe_rtt_done_.is_never()) {
    if (sample.in_flight > probe_rtt_window()) return;
    probe_rtt_done_ = sample.now + kProbeRttTime;
    probe_rtt_round_done_ = false;
    start_round(delivered_);
    return;
  }
  probe_rtt_round_done_ |= round_start_;
  if (probe_rtt_round_done_) check_probe_rtt_done(sample.now);
}

void Bbr::check_probe_rtt_done(Instant now) {
  if (probe_rtt_done_.is_never() || now <= probe_rtt_done_) return;
  probe_rtt_min_stamp_ = now;
  window_ = std::max(window_, saved_window_);
  reset_short_term_model();
  if (!full_bandwidth_reached_) {
    state_ = State::kStartup;
    return;
  }
  start_down(now);
  state_ = State::kCruise;
}

void Bbr::on_restart_from_idle(Instant now) {
  idle_restart_ = true;
  extra_acked_start_ = now;
  if (is_in_probe_bandwidth()) {
    set_pacing_rate_with_gain(1.0);
  } else if (state_ == State::kProbeRtt) {
    check_probe_rtt_done(now);
  }
}

}  // namespace viaduct::quic
