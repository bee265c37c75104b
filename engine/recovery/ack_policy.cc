#include "engine/recovery/ack_policy.h"

namespace viaduct::quic {

AckPolicy::AckPolicy(PacketSpace space, Duration max_ack_delay)
    : max_ack_delay_(max_ack_delay), threshold_(space == PacketSpace::kApplication ? 2 : 1) {}

// meets RFC 9000 13.2.1-1 13.2.1-2 13.2.1-4 13.2.1-7 13.2.1-8 13.2.2-1
void AckPolicy::on_packet_received(uint64_t number, bool ack_eliciting, bool ce, const AckRanges& ranges, Instant now) {
  ++unreported_;
  if (!ack_eliciting) return;  // nobody would acknowledge the ACK: it may not cause one (RFC 9000 section 13.2.1)
  ++eliciting_;
  const bool at_once = eliciting_ >= threshold_ || ce || out_of_order(number, ranges);
  deadline_ = std::min(deadline_, at_once ? now : now + max_ack_delay_);
  next_expected_ = std::max(next_expected_, number + 1);
}

// meets RFC 9000 13.2.1-3
void AckPolicy::on_ack_sent(uint64_t largest) {
  reported_ = std::max(reported_, largest + 1);
  eliciting_ = 0;
  unreported_ = 0;
  deadline_ = Instant::never();
}

// Below an ack-eliciting packet that was received, or something is missing between the two (RFC 9000 section 13.2.1).
bool AckPolicy::out_of_order(uint64_t number, const AckRanges& ranges) const {
  if (reordering_ == 0) return false;
  if (reordering_ > 1) return far_out_of_order(number, ranges);
  if (number < next_expected_) return true;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const PacketRange range = ranges.from_largest(i);
    if (range.smallest <= number) return range.smallest > std::max(next_expected_, ranges.floor());
  }
  return true;
}

// Something is missing so far below the largest that the peer may take it for lost, and no ACK has told so; or it comes
// after one has.
bool AckPolicy::far_out_of_order(uint64_t number, const AckRanges& ranges) const {
  const uint64_t told = reported_ > reordering_ ? reported_ - reordering_ : 0;  // below, missing ones were told
  if (number < told) return true;
  const uint64_t largest = ranges.largest();
  uint64_t missing = largest;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const PacketRange range = ranges.from_largest(i);
    if (range.smallest <= told) break;
    const uint64_t behind = i + 1 < ranges.size() ? ranges.from_largest(i + 1).largest + 1 : ranges.floor();
    if (behind < range.smallest) missing = std::max(behind, told);
  }
  return largest - missing >= reordering_;
}

}  // namespace viaduct::quic
