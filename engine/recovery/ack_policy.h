// When an ACK of one packet number space is due (RFC 9000 section 13.2).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"
#include "engine/recovery/ack_ranges.h"
#include "engine/recovery/packet_space.h"

namespace viaduct::quic {

class AckPolicy {
 public:
  // max_ack_delay: what our transport parameter promises. Initial and Handshake packets are acknowledged at once
  // (RFC 9000 section 13.2.1), so it matters for the application space only.
  AckPolicy(PacketSpace space, Duration max_ack_delay);

  // How many ack-eliciting packets call for an ACK (1: each; the default is every second, RFC 9000 section 13.2.2).
  void set_threshold(uint32_t packets) { threshold_ = packets; }
  void set_max_ack_delay(Duration delay) { max_ack_delay_ = delay; }
  // How far out of order packets must be for an ACK at once (draft-ietf-quic-ack-frequency section 6.2): 1, the
  // default, for any; 0 for never.
  void set_reordering(uint64_t packets) { reordering_ = packets; }
  // The peer wants an acknowledgement now.
  void ask_at_once(Instant now) { deadline_ = std::min(deadline_, now); }

  // A packet arrived and is in `ranges` already. ce: its IP header was marked Congestion Experienced.
  void on_packet_received(uint64_t number, bool ack_eliciting, bool ce, const AckRanges& ranges, Instant now);

  // An ACK frame with all ranges, the largest number of which is `largest`, was put into a packet.
  void on_ack_sent(uint64_t largest);

  // An ACK must be sent, if need be in a packet of its own.
  bool due(Instant now) const { return deadline_ <= now; }
  // When due() becomes true; an instant in the past for "at once", Instant::never() when nothing is owed.
  Instant deadline() const { return deadline_; }
  // Something was received since the last ACK: one may ride along in a packet that is sent anyway.
  bool worth_sending() const { return unreported_ > 0; }

 private:
  bool out_of_order(uint64_t number, const AckRanges& ranges) const;
  bool far_out_of_order(uint64_t number, const AckRanges& ranges) const;

  Duration max_ack_delay_;
  Instant deadline_ = Instant::never();
  uint64_t next_expected_ = 0;  // one more than the largest ack-eliciting number
  uint64_t reordering_ = 1;
  uint64_t reported_ = 0;  // one more than the largest number of the last ACK
  uint32_t threshold_;
  uint32_t eliciting_ = 0;   // ack-eliciting packets since the last ACK
  uint32_t unreported_ = 0;  // packets of any kind since the last ACK
};

}  // namespace viaduct::quic
