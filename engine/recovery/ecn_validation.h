// Whether ECN works on the path (RFC 9000 section 13.4.2), and when its marks say that there is congestion.
#pragma once

#include <cstdint>

#include "engine/wire/frames.h"

namespace viaduct::quic {

// Of one packet number space. Packets are marked ECT(0) from the start; where a network clears or changes marks, a peer
// does not report them, or marked packets do not arrive, marking ends until the path changes.
class EcnValidation {
 public:
  // Marked packets that may be lost before any arrives (RFC 9000 appendix A.4).
  static constexpr uint32_t kTestPackets = 10;

  enum class State : uint8_t { kTesting, kCapable, kFailed };

  State state() const { return state_; }
  // Whether packets are to be marked.
  bool is_marking() const { return state_ != State::kFailed; }
  bool has_failed() const { return state_ == State::kFailed; }

  void on_sent() { ++sent_; }
  // A marked packet was declared lost.
  void on_lost();
  // An ACK frame raised the largest acknowledged number. newly_marked: packets sent with a mark that it newly
  // acknowledges; counts: of the frame, null where it has none. True where routers have marked packets since the last.
  bool on_ack(uint64_t newly_marked, const EcnCounts* counts);
  // On a new path ECN is tried again.
  void restart() {
    state_ = State::kTesting;
    lost_ = 0;
  }

 private:
  bool is_valid(uint64_t newly_marked, const EcnCounts& counts) const;

  State state_ = State::kTesting;
  uint32_t lost_ = 0;  // marked packets, before one arrived
  uint64_t sent_ = 0;  // marked, in all
  EcnCounts reported_;
};

}  // namespace viaduct::quic
