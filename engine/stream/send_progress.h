// Which bytes of a stream, or of CRYPTO, are unsent, in flight, lost or acknowledged.
#pragma once

#include <cstdint>

#include "engine/stream/range_set.h"

namespace viaduct::quic {

// Offsets below acked() are acknowledged, those from sent() to end() were never sent. In between, most are in flight;
// two range sets name the exceptions. Bounded: where a range more cannot be had, an acknowledged range is treated as
// lost and neighbouring losses are joined, which costs bytes sent again and never a byte missing.
class SendProgress {
 public:
  uint64_t acked() const { return acked_; }
  uint64_t sent() const { return sent_; }
  uint64_t end() const { return end_; }
  bool has_lost() const { return !lost_.empty(); }
  bool has_unsent() const { return sent_ < end_; }

  // More bytes to send behind the end.
  void append(uint64_t count) { end_ += count; }
  // What is to be sent next, lost ranges first; not marked. Empty where nothing is. New offsets stop below `limit`.
  OffsetRange next(uint64_t limit) const;
  // The front of what next() gave is on its way.
  void on_sent(RangePool& pool, OffsetRange range);
  // True where acked() moved.
  bool on_acked(RangePool& pool, OffsetRange range);
  void on_lost(RangePool& pool, OffsetRange range);
  // Gives all nodes back.
  void clear(RangePool& pool);

 private:
  uint64_t acked_ = 0;
  uint64_t sent_ = 0;
  uint64_t end_ = 0;
  RangeSet acked_ahead_;  // acknowledged beyond acked_
  RangeSet lost_;         // to be sent again; all within [acked_, sent_), none in acked_ahead_
};

}  // namespace viaduct::quic
