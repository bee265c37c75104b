// CUBIC (RFC 9438), with HyStart++ (RFC 9406) in the first slow start.
#pragma once

#include "engine/congestion/controller.h"
#include "engine/congestion/hystart.h"

namespace viaduct::quic {

class Cubic final : public Controller {
 public:
  explicit Cubic(uint64_t max_datagram_size);

  std::string_view name() const override { return "cubic"; }
  void on_packet_sent(uint64_t bytes, uint64_t bytes_in_flight, Instant now) override;
  void on_packet_acked(const AckedPacket& packet, const AckSample& sample) override;
  bool on_congestion_event(Instant sent_time, Instant now) override;
  void on_persistent_congestion() override;
  void on_spurious_congestion() override;
  void set_max_datagram_size(uint64_t bytes) override;
  uint64_t window() const override { return state_.window; }
  bool in_slow_start() const override { return state_.window < state_.threshold; }
  bool in_recovery(Instant sent_time) const override { return in_recovery_ && sent_time <= recovery_start_; }

 private:
  struct State {  // what a spurious congestion event restores
    uint64_t window;
    uint64_t threshold;
    double w_max = 0;         // bytes: where the last reduction began (after fast convergence)
    double w_est = 0;         // bytes: what Reno would have
    double k = 0;             // seconds from the epoch's start to w_max
    double epoch_window = 0;  // bytes at the epoch's start
    Instant epoch_start;
    bool in_epoch = false;  // congestion avoidance has begun since the last reduction
  };

  void slow_start(const AckedPacket& packet, const AckSample& sample);
  void avoid_congestion(const AckedPacket& packet, const AckSample& sample);
  void begin_epoch(Instant now);
  double cubic_window(double seconds) const;

  uint64_t max_datagram_size_;
  State state_;
  State before_;         // the last reduction
  double increase_ = 0;  // bytes of growth not yet in the window
  Instant last_ack_;
  Instant recovery_start_;
  bool in_recovery_ = false;  // a recovery period began ever
  HyStart hystart_;
};

}  // namespace viaduct::quic
