// CUBIC (RFC 9438), with HyStart++ (RFC 9406) in the first slow start.
#pragma once

#include "engine/congestion/controller.h"
#include "engine/congestion/hystart.h"

namespace viaduct::quic {

// meets RFC 9002 7-1
class Cubic final : public Controller {
 public:
  explicit Cubic(uint64_t max_datagram_size);

  std::string_view name() const override { return "cubic"; }
  void on_ack(const AckSample& sample) override;
  bool on_congestion_event(Instant sent_time, Instant now) override;
  void on_persistent_congestion() override;
  void on_spurious_congestion() override;
  void resume_at(uint64_t window, Duration smoothed_rtt) override;
  void retreat_to(uint64_t window) override;
  void resume_slow_start_until(uint64_t window) override;
  void set_max_datagram_size(uint64_t bytes) override;
  uint64_t window() const override { return state_.window; }
  bool in_slow_start() const override { return state_.window < state_.threshold; }
  Instant recovery_start() const override { return recovery_start_; }

 private:
  // What the window follows; a spurious congestion event restores it whole (RFC 9438 section 4.9.2).
  struct State {
    uint64_t window = 0;  // bytes, as all below
    uint64_t threshold = 0;
    uint64_t prior_window = 0;  // before the last reduction
    double w_max = 0;           // where the curve levels off
    double w_est = 0;           // the window Reno would have
    double k = 0;               // seconds from the epoch's start to w_max
    Instant epoch_start;
    bool in_epoch = false;  // congestion avoidance has begun since the last reduction
  };

  void slow_start(const AckSample& sample);
  void avoid_congestion(const AckSample& sample);
  void begin_epoch(Instant now);
  void grow_by(double bytes);
  double curve(double seconds) const;

  uint64_t max_datagram_size_;
  State state_;
  State before_;         // the last reduction; window 0: there is none to undo
  double fraction_ = 0;  // bytes of growth too small to show in the window yet
  Instant last_ack_;
  Instant recovery_start_ = kNoRecovery;
  HyStart hystart_;
};

}  // namespace viaduct::quic
