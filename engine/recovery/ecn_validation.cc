#include "engine/recovery/ecn_validation.h"

namespace viaduct::quic {

void EcnValidation::on_lost() {
  if (state_ == State::kTesting && ++lost_ >= kTestPackets) state_ = State::kFailed;
}

// meets RFC 9000 13.4.2.1-1 13.4.2.2-1 13.4.2.2-2
bool EcnValidation::on_ack(uint64_t newly_marked, const EcnCounts* counts) {
  if (!counts) {
    if (newly_marked > 0) state_ = State::kFailed;
    return false;
  }
  const bool is_congested = counts->ce > reported_.ce;
  if (!is_valid(newly_marked, *counts)) state_ = State::kFailed;
  reported_ = *counts;
  if (state_ == State::kFailed) return false;
  if (newly_marked > 0) state_ = State::kCapable;
  return is_congested;
}

// RFC 9000 section 13.4.2.1: all that was marked is reported, as marked or as CE, and nothing that was not sent so.
bool EcnValidation::is_valid(uint64_t newly_marked, const EcnCounts& counts) const {
  if (counts.ect0 < reported_.ect0 || counts.ce < reported_.ce || counts.ect1 > 0) return false;
  const uint64_t increase = counts.ect0 - reported_.ect0 + counts.ce - reported_.ce;
  return increase >= newly_marked && counts.ect0 <= sent_ && counts.ce <= sent_ - counts.ect0;
}

}  // namespace viaduct::quic
