// Careful Resume (RFC 9959): a connection tries, cautiously, what an earlier one knew of the same path, and so spares
// most of slow start.
#pragma once

#include <cstdint>

#include "base/instant.h"
#include "engine/congestion/controller.h"

namespace viaduct::quic {

// What is remembered of a path. A window of 0: nothing.
struct PathKnowledge {
  uint64_t window = 0;  // bytes that were in flight at once
  Duration round_trip;  // the least seen

  // Less than this is soon found out anew.
  static constexpr uint64_t worth_keeping(uint64_t max_datagram_size) { return 4 * initial_window(max_datagram_size); }
};

// Watches one connection's start and tells its controller what to do. Names of phases are the RFC's.
//
// Nothing is tried before a whole initial window has arrived without congestion and the round trip is like the one
// remembered. Then the window jumps to half of what is remembered, paced over a round trip. It becomes what has
// arrived, or is in flight, when the first of these packets is acknowledged; and with the last of them all is as usual.
// Congestion meanwhile takes the window to half of what the path has been seen to carry.
class CarefulResume {
 public:
  enum class Phase : uint8_t { kNormal, kReconnaissance, kUnvalidated, kValidating, kSafeRetreat };

  static constexpr uint32_t kAll = ~uint32_t{0};

  // What an acknowledgement says. Packet numbers are those of the application's space.
  struct Progress {
    Instant now;
    uint64_t acked_bytes = 0;
    uint64_t in_flight = 0;      // bytes, after it
    uint64_t recent_flight = 0;  // as AckSample's
    uint64_t largest_acked = 0;  // its packet number
    uint64_t next_number = 0;    // of the packet that is sent next
    Duration latest_rtt;         // zero: no sample
    Duration smoothed_rtt;
    // Known since the last call, without what is tolerated; kAll where routers have marked packets.
    uint64_t lost_bytes = 0;
    bool is_application = false;  // packet numbers are given
  };

  CarefulResume() = default;
  // tolerated: the share of the window that may be lost of a jump. The RFC's rule is none; BBR's, which a jump is as
  // much a probe for as its own, is kept where BBR decides.
  CarefulResume(const PathKnowledge& known, double tolerated)
      : known_(known), tolerated_(tolerated), phase_(known.window > 0 ? Phase::kReconnaissance : Phase::kNormal) {}

  Phase phase() const { return phase_; }
  bool is_active() const { return phase_ != Phase::kNormal; }
  // The window is that of the jump: acknowledgements do not enlarge it, and it is sent over one round trip.
  bool holds_window() const { return phase_ == Phase::kUnvalidated; }
  // What was remembered and is neither confirmed nor refuted.
  const PathKnowledge& known() const { return known_; }

  // After the controller has seen an acknowledgement or losses; while is_active().
  void advance(const Progress& progress, uint64_t max_datagram_size, Controller& controller);

 private:
  void reconnoitre(const Progress& progress, uint64_t max_datagram_size, Controller& controller);
  bool is_another_path(Duration round_trip) const;
  void begin_validating(const Progress& progress, Controller& controller);
  void retreat(const Progress& progress, uint64_t max_datagram_size, Controller& controller);
  void end() { phase_ = Phase::kNormal; }

  bool is_too_much_lost() const;

  PathKnowledge known_;
  uint64_t carried_ = 0;  // bytes that have arrived; from the jump on, with what was in flight then: the RFC's PipeSize
  uint64_t lost_ = 0;     // bytes, in the present phase and the one before
  uint64_t proved_ = 0;   // the window when it jumped
  uint64_t first_jump_ = 0;  // packet numbers: the first of the jump
  uint64_t last_jump_ = 0;   // and the last
  Instant jumped_;
  double tolerated_ = 0;
  Phase phase_ = Phase::kNormal;
};

}  // namespace viaduct::quic
