// How large datagrams may be on a path: datagram packetization layer path MTU discovery (RFC 8899, RFC 9000
// section 14.3).
#pragma once

#include <cstddef>

#include "base/instant.h"

namespace viaduct::quic {

// Sizes are bytes of UDP payload. The largest that is worth having is probed first, because most paths carry it; where
// it does not arrive, halfway between what does and what does not. Where datagrams above the base suddenly vanish, the
// path has changed: back to the base, and from there up again.
class MtuSearch {
 public:
  static constexpr unsigned kMaxProbes = 3;                        // of one size (RFC 8899 section 5.1.2)
  static constexpr Duration kRaiseAfter = Duration::seconds(600);  // RFC 8899 section 5.1.1: PMTU_RAISE_TIMER
  static constexpr size_t kWorthProbing = 16;                      // more than what is known to pass
  static constexpr unsigned kBlackHoleLosses = 10;                 // large datagrams in a row
  static constexpr unsigned kBlackHoleTimeouts = 2;                // probe timeouts of recovery in a row

  // Datagrams of `base` bytes pass, or nothing does; those up to `largest` are to be tried.
  void start(size_t base, size_t largest);

  // The largest datagram that is known to pass.
  size_t current() const { return current_; }
  // The size of the probe that is to be sent now; 0 for none.
  size_t next_probe(Instant now);
  void on_probe_sent() { in_flight_ = true; }
  // True where current() rose.
  bool on_probe_acked(size_t size);
  void on_probe_lost(size_t size);

  // Datagrams that were no probes. True where they show that large ones no longer pass: current() is the base again.
  void on_acked(size_t size, Instant sent) {
    if (size > base_ && sent > last_passed_) last_passed_ = sent, lost_in_a_row_ = 0;
  }
  bool on_lost(size_t size, Instant sent);
  // So many probe timeouts came without any acknowledgement.
  bool on_timeouts(unsigned in_a_row);

  // A router says, believably, that a datagram of ours was too large and how much would fit (RFC 8899 section 4.6.2).
  // True where current() fell.
  bool on_too_big(size_t fits);

 private:
  void fall_back();
  void choose_probe();

  size_t base_ = 0;
  size_t largest_ = 0;
  size_t current_ = 0;
  size_t failed_ = 0;  // the smallest size that did not pass; above largest_: none
  size_t probe_ = 0;   // 0: the search is over
  unsigned failures_ = 0;
  bool in_flight_ = false;
  unsigned lost_in_a_row_ = 0;
  Instant last_passed_;                  // when the last acknowledged large datagram was sent
  Instant raise_at_ = Instant::never();  // when a search that has ended below largest_ begins again
};

}  // namespace viaduct::quic
