// BBR version 3 (draft-ietf-ccwg-bbr): sends at the rate that the path has shown to deliver, and keeps about one
// bandwidth-delay product in flight.
#pragma once

#include <array>

#include "engine/congestion/controller.h"

namespace viaduct::quic {

// Names are the draft's. bbr.cc has the interface and the control parameters, bbr_model.cc what is believed of the
// path, bbr_phases.cc the state machine.
class Bbr final : public Controller {
 public:
  enum class State : uint8_t { kStartup, kDrain, kDown, kCruise, kRefill, kUp, kProbeRtt };

  static constexpr double kLossThreshold = 0.02;  // of what was in flight

  explicit Bbr(uint64_t max_datagram_size);

  std::string_view name() const override { return "bbr"; }
  void on_ack(const AckSample& sample) override;
  void on_packet_lost(const LostPacket& packet) override;
  bool on_congestion_event(Instant sent_time, Instant now) override;
  bool on_ecn_congestion(Instant sent_time, Instant now) override;
  void on_persistent_congestion() override;
  void on_spurious_congestion() override;
  void on_restart_from_idle(Instant now) override;
  void resume_at(uint64_t window, Duration smoothed_rtt) override;
  void retreat_to(uint64_t window) override;
  void resume_slow_start_until(uint64_t window) override;
  void set_max_datagram_size(uint64_t bytes) override;
  uint64_t window() const override { return window_; }
  double pacing_rate() const override { return pacing_rate_; }
  bool needs_rate() const override { return true; }
  bool holds_back() const override { return state_ == State::kProbeRtt; }
  bool in_slow_start() const override { return state_ == State::kStartup; }
  Instant recovery_start() const override { return recovery_start_; }

  State state() const { return state_; }
  double max_bandwidth() const { return max_bandwidth_; }
  Duration min_rtt() const { return min_rtt_; }

 private:
  static constexpr double kNoBandwidthLimit = std::numeric_limits<double>::infinity();
  static constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

  // Where the acknowledgements that come now stand in a probe for bandwidth.
  enum class AckPhase : uint8_t { kInit, kRefilling, kProbeStarting, kProbeFeedback, kProbeStopping };

  // --- bbr.cc ---
  void set_pacing_rate();
  void set_pacing_rate_with_gain(double gain);
  void set_window(const AckSample& sample);
  uint64_t bdp_multiple(double bandwidth, double gain) const;
  uint64_t quantized(uint64_t inflight) const;
  uint64_t inflight_with_headroom() const;
  uint64_t probe_rtt_window() const;
  uint64_t target_inflight() const;
  uint64_t minimum_pipe() const { return 4 * max_datagram_size_; }
  double pacing_gain() const;
  double window_gain() const;

  // --- bbr_model.cc ---
  void update_round(const RateSample& rate);
  void update_bandwidth(const AckSample& sample);
  void advance_bandwidth_filter();
  void update_congestion_signals(const AckSample& sample);
  void adapt_lower_bounds();
  void update_aggregation(const AckSample& sample);
  void update_min_rtt(const AckSample& sample);
  void adapt_long_term_model(const AckSample& sample);
  void probe_inflight_upward(const AckSample& sample);
  void raise_inflight_slope();
  void handle_inflight_too_high(uint64_t in_flight, bool app_limited, Instant now);
  void save_undo_state();
  void reset_short_term_model();
  void reset_congestion_signals();

  // --- bbr_phases.cc ---
  void check_full_bandwidth(const AckSample& sample);
  void check_startup_loss(const AckSample& sample);
  void check_startup_and_drain(const AckSample& sample);
  void update_cycle_phase(const AckSample& sample);
  bool is_time_to_probe(Instant now);
  bool is_time_to_go_down(const AckSample& sample);
  void check_probe_rtt(const AckSample& sample);
  void handle_probe_rtt(const AckSample& sample);
  void check_probe_rtt_done(Instant now);
  void start_round(uint64_t total_delivered) { next_round_delivered_ = total_delivered; }
  void reset_full_bandwidth(double bandwidth);
  void start_down(Instant now);
  void start_refill();
  void start_up();
  void pick_probe_wait(Instant now);
  bool is_in_probe_bandwidth() const;
  bool is_probing() const;
  bool is_window_limited(const AckSample& sample) const;
  static bool is_too_much_lost(uint64_t lost, uint64_t in_flight) {
    return static_cast<double>(lost) > kLossThreshold * static_cast<double>(in_flight);
  }

  uint64_t max_datagram_size_;
  uint64_t window_;
  uint64_t saved_window_ = 0;  // before PROBE_RTT
  double pacing_rate_ = 0;     // bytes per second; 0 before the first sample
  uint64_t delivered_ = 0;     // bytes in all
  Instant recovery_start_ = kNoRecovery;

  // --- rounds ---
  uint64_t next_round_delivered_ = 0;
  uint64_t round_count_ = 0;
  uint64_t drain_start_round_ = 0;
  uint32_t rounds_since_probe_ = 0;

  // --- small things, together ---
  State state_ = State::kStartup;
  AckPhase ack_phase_ = AckPhase::kInit;
  bool probe_samples_ = false;  // acknowledgements belong to a probe
  bool round_start_ = false;
  bool loss_round_start_ = false;
  bool loss_in_round_ = false;
  bool full_bandwidth_now_ = false;
  bool full_bandwidth_reached_ = false;
  bool probe_rtt_expired_ = false;
  bool probe_rtt_round_done_ = false;
  bool idle_restart_ = false;
  uint32_t losses_in_round_ = 0;        // runs of lost packets
  uint32_t extra_acked_rounds_ = 0;     // that the present slot covers
  uint32_t full_bandwidth_rounds_ = 0;  // without growth
  uint32_t probe_up_rounds_ = 0;

  // --- the path, long term ---
  std::array<double, 2> bandwidth_filter_{};  // the largest of the cycle before, and of the present one
  double max_bandwidth_ = 0;
  double full_bandwidth_ = 0;
  uint64_t inflight_longterm_ = kNoLimit;
  Duration min_rtt_ = Duration::infinite();
  Instant min_rtt_stamp_;
  Duration probe_rtt_min_delay_ = Duration::infinite();
  Instant probe_rtt_min_stamp_;
  Instant probe_rtt_done_ = Instant::never();

  // --- short term: after losses, until the next probe ---
  double bandwidth_shortterm_ = kNoBandwidthLimit;
  uint64_t inflight_shortterm_ = kNoLimit;
  double bandwidth_ = 0;  // the smaller of long and short term
  double bandwidth_latest_ = 0;
  uint64_t inflight_latest_ = 0;
  uint64_t loss_round_delivered_ = 0;
  uint64_t last_lost_number_ = ~uint64_t{0};

  // --- aggregation of acknowledgements ---
  std::array<uint64_t, 2> extra_acked_{};
  uint64_t extra_acked_delivered_ = 0;
  Instant extra_acked_start_;

  // --- the cycle of probing ---
  Instant cycle_stamp_;
  Duration probe_wait_;
  uint64_t probe_up_acked_ = 0;
  uint64_t probe_up_acked_per_datagram_ = kNoLimit;  // inflight_longterm_ grows by one for so many bytes

  // --- for spurious losses ---
  std::optional<State> undo_state_;  // that they have ended
  double undo_bandwidth_shortterm_ = 0;
  uint64_t undo_inflight_shortterm_ = 0;
  uint64_t undo_inflight_longterm_ = 0;
};

}  // namespace viaduct::quic
