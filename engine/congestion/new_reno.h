// NewReno, as RFC 9002 section 7 and its appendix B describe it.
#pragma once

#include "engine/congestion/controller.h"

namespace viaduct::quic {

class NewReno final : public Controller {
 public:
  explicit NewReno(uint64_t max_datagram_size);

  std::string_view name() const override { return "newreno"; }
  void on_ack(const AckSample& sample) override;
  bool on_congestion_event(Instant sent_time, Instant now) override;
  void on_persistent_congestion() override;
  void on_spurious_congestion() override;
  void resume_at(uint64_t window, Duration smoothed_rtt) override;
  void retreat_to(uint64_t window) override;
  void resume_slow_start_until(uint64_t window) override;
  void set_max_datagram_size(uint64_t bytes) override;
  uint64_t window() const override { return window_; }
  bool in_slow_start() const override { return window_ < threshold_; }
  Instant recovery_start() const override { return recovery_start_; }

 private:
  uint64_t max_datagram_size_;
  uint64_t window_;
  uint64_t threshold_;
  uint64_t acked_in_avoidance_ = 0;  // bytes towards the next step of the window
  uint64_t window_before_ = 0;       // the last reduction, for the undo
  uint64_t threshold_before_ = 0;
  Instant recovery_start_ = kNoRecovery;
};

}  // namespace viaduct::quic
