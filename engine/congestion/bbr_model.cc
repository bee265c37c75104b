// What is believed of the path: bandwidth, round trip, and how much it holds (section 5.5 of the draft).
#include <algorithm>

#include "engine/congestion/bbr.h"

namespace viaduct::quic {

namespace {
constexpr double kBeta = 0.7;
constexpr Duration kMinRttFilter = Duration::seconds(10);
constexpr Duration kProbeRttInterval = Duration::seconds(5);
constexpr uint32_t kExtraAckedRounds = 5;  // of each of the two slots
constexpr uint32_t kMostProbeUpRounds = 30;
}  // namespace

// A round is over when a packet sent after its start is acknowledged.
void Bbr::update_round(const RateSample& rate) {
  round_start_ = rate.is_valid && rate.prior_delivered >= next_round_delivered_;
  if (!round_start_) return;
  start_round(delivered_);
  ++round_count_;
  ++rounds_since_probe_;
}

void Bbr::update_bandwidth(const AckSample& sample) {
  const double rate = sample.rate.bytes_per_second;
  if (rate <= 0 || (rate < max_bandwidth_ && sample.rate.app_limited)) return;
  bandwidth_filter_[1] = std::max(bandwidth_filter_[1], rate);
  max_bandwidth_ = std::max(bandwidth_filter_[0], bandwidth_filter_[1]);
}

void Bbr::advance_bandwidth_filter() {
  if (bandwidth_filter_[1] <= 0) return;  // no sample in this cycle: the old one stays
  bandwidth_filter_ = {bandwidth_filter_[1], 0};
  max_bandwidth_ = bandwidth_filter_[0];
}

void Bbr::update_congestion_signals(const AckSample& sample) {
  update_bandwidth(sample);
  if (!loss_round_start_) return;
  check_startup_loss(sample);
  if (loss_in_round_ && !is_probing()) adapt_lower_bounds();
  loss_in_round_ = false;
  losses_in_round_ = 0;
}

void Bbr::adapt_lower_bounds() {
  if (bandwidth_shortterm_ == kNoBandwidthLimit) bandwidth_shortterm_ = max_bandwidth_;
  if (inflight_shortterm_ == kNoLimit) inflight_shortterm_ = window_;
  bandwidth_shortterm_ = std::max(bandwidth_latest_, kBeta * bandwidth_shortterm_);
  inflight_shortterm_ =
      std::max(inflight_latest_, static_cast<uint64_t>(kBeta * static_cast<double>(inflight_shortterm_)));
}

void Bbr::reset_short_term_model() {
  bandwidth_shortterm_ = kNoBandwidthLimit;
  inflight_shortterm_ = kNoLimit;
}

void Bbr::reset_congestion_signals() {
  loss_in_round_ = false;
  losses_in_round_ = 0;
  bandwidth_latest_ = 0;
  inflight_latest_ = 0;
}

// How much more than the bandwidth accounts for is acknowledged at once: so much more may be in flight.
void Bbr::update_aggregation(const AckSample& sample) {
  if (round_start_ && ++extra_acked_rounds_ >= (full_bandwidth_reached_ ? kExtraAckedRounds : 1)) {
    extra_acked_ = {extra_acked_[1], 0};
    extra_acked_rounds_ = 0;
  }
  const Duration interval = sample.now - extra_acked_start_;
  auto expected = static_cast<uint64_t>(bandwidth_ * std::max(interval.seconds(), 0.0));
  if (extra_acked_delivered_ <= expected) {
    extra_acked_delivered_ = expected = 0;
    extra_acked_start_ = sample.now;
  }
  extra_acked_delivered_ += sample.acked_bytes;
  const uint64_t extra = std::min(extra_acked_delivered_ - expected, window_);
  extra_acked_[1] = std::max(extra_acked_[1], extra);
}

void Bbr::update_min_rtt(const AckSample& sample) {
  const bool has_sample = probe_rtt_min_delay_ != Duration::infinite();
  probe_rtt_expired_ = has_sample && sample.now > probe_rtt_min_stamp_ + kProbeRttInterval;
  if (sample.latest_rtt > Duration() && (sample.latest_rtt < probe_rtt_min_delay_ || probe_rtt_expired_)) {
    probe_rtt_min_delay_ = sample.latest_rtt;
    probe_rtt_min_stamp_ = sample.now;
  }
  const bool is_old = sample.now > min_rtt_stamp_ + kMinRttFilter;
  if (probe_rtt_min_delay_ < min_rtt_ || is_old) {
    min_rtt_ = probe_rtt_min_delay_;
    min_rtt_stamp_ = probe_rtt_min_stamp_;
  }
}

void Bbr::adapt_long_term_model(const AckSample& sample) {
  if (ack_phase_ == AckPhase::kProbeStarting && round_start_) ack_phase_ = AckPhase::kProbeFeedback;
  if (ack_phase_ == AckPhase::kProbeStopping && round_start_) {
    probe_samples_ = false;
    ack_phase_ = AckPhase::kInit;
    if (is_in_probe_bandwidth() && !sample.rate.app_limited) advance_bandwidth_filter();
  }
  if (!sample.rate.is_valid) return;
  if (is_too_much_lost(sample.rate.lost, sample.rate.in_flight)) {
    if (probe_samples_) handle_inflight_too_high(sample.rate.in_flight, sample.rate.app_limited, sample.now);
    return;
  }
  if (inflight_longterm_ == kNoLimit) return;
  inflight_longterm_ = std::max(inflight_longterm_, sample.rate.in_flight);
  if (state_ == State::kUp) probe_inflight_upward(sample);
}

void Bbr::handle_inflight_too_high(uint64_t in_flight, bool app_limited, Instant now) {
  probe_samples_ = false;
  if (!app_limited) {
    const auto floor = static_cast<uint64_t>(kBeta * static_cast<double>(target_inflight()));
    inflight_longterm_ = std::max(in_flight, floor);
  }
  if (state_ != State::kUp) return;
  undo_state_ = State::kUp;
  start_down(now);
}

// Slowly at first, then twice as fast in each round trip. In steps of a datagram: between them the window stands at the
// bound, which is_time_to_go_down() looks for.
void Bbr::probe_inflight_upward(const AckSample& sample) {
  if (!is_window_limited(sample) || window_ < inflight_longterm_) return;
  probe_up_acked_ += sample.acked_bytes;
  inflight_longterm_ += probe_up_acked_ / probe_up_acked_per_datagram_ * max_datagram_size_;
  probe_up_acked_ %= probe_up_acked_per_datagram_;
  if (round_start_) raise_inflight_slope();
}

void Bbr::raise_inflight_slope() {
  probe_up_acked_per_datagram_ = std::max(window_ >> probe_up_rounds_, max_datagram_size_);
  probe_up_rounds_ = std::min(probe_up_rounds_ + 1, kMostProbeUpRounds);
}

void Bbr::on_packet_lost(const LostPacket& packet) {
  if (packet.tolerated && !is_probing()) return;
  if (packet.number != last_lost_number_ + 1) ++losses_in_round_;
  last_lost_number_ = packet.number;
  if (!loss_in_round_) {
    loss_round_delivered_ = delivered_;
    save_undo_state();
  }
  loss_in_round_ = true;
  if (!probe_samples_ || !is_too_much_lost(packet.lost_since, packet.in_flight)) return;
  // How much was in flight when the losses passed the threshold.
  const double in_flight_before = static_cast<double>(packet.in_flight - std::min(packet.in_flight, packet.size));
  const double lost_before = static_cast<double>(packet.lost_since - std::min(packet.lost_since, packet.size));
  const double prefix = std::max((kLossThreshold * in_flight_before - lost_before) / (1 - kLossThreshold), 0.0);
  handle_inflight_too_high(static_cast<uint64_t>(in_flight_before + prefix), packet.app_limited, packet.now);
}

void Bbr::save_undo_state() {
  undo_state_.reset();
  undo_bandwidth_shortterm_ = bandwidth_shortterm_;
  undo_inflight_shortterm_ = inflight_shortterm_;
  undo_inflight_longterm_ = inflight_longterm_;
}

void Bbr::on_spurious_congestion() {
  loss_in_round_ = false;
  losses_in_round_ = 0;
  reset_full_bandwidth(0);
  bandwidth_shortterm_ = std::max(bandwidth_shortterm_, undo_bandwidth_shortterm_);
  inflight_shortterm_ = std::max(inflight_shortterm_, undo_inflight_shortterm_);
  inflight_longterm_ = std::max(inflight_longterm_, undo_inflight_longterm_);
  if (undo_state_ == State::kStartup) {
    full_bandwidth_reached_ = false;
    if (state_ != State::kProbeRtt) state_ = State::kStartup;
  } else if (undo_state_ == State::kUp && state_ != State::kUp) {
    if (state_ != State::kProbeRtt) start_refill();
  }
  undo_state_.reset();
}

}  // namespace viaduct::quic
