// Which bytes of a stream, or of CRYPTO, are unsent, in flight, lost or acknowledged.
#pragma once

#include <cstdint>

#include "engine/stream/range_set.h"

namespace viaduct::quic {

// Offsets below acked() are acknowledged, those from sent() to end() were never sent. In between, most are in flight;
// two range sets name the exceptions. Bounded: an acknowledged range that cannot be noted counts as lost, and losses
// that cannot be noted are joined to one. That costs bytes sent twice, and never a byte missing.
class SendProgress {
 public:
  uint64_t acked() const { return acked_; }
  uint64_t sent() const { return sent_; }
  uint64_t end() const { return end_; }
  bool has_lost() const { return !lost_.empty() || !joined_.empty(); }
  bool has_unsent() const { return sent_ < end_; }

  // More bytes to send behind the end.
  void append(uint64_t count) { end_ += count; }
  // What is to be sent next, not marked; empty where nothing is. Lost ranges come first, and the lowest of them first:
  // where nodes are scarce, what is acknowledged behind a gap counts as lost, and must not keep the gap waiting. New
  // offsets stop below `limit`.
  OffsetRange next(uint64_t limit) const;
  // The front of what next() gave is on its way.
  void on_sent(RangePool& pool, OffsetRange range);
  // True where acked() moved.
  bool on_acked(RangePool& pool, OffsetRange range);
  void on_lost(RangePool& pool, OffsetRange range);
  // As if nothing had been sent; there must be nothing acknowledged.
  void restart(RangePool& pool);
  // Nothing from `offset` on is to be sent, or sent again, any more.
  void cut(RangePool& pool, uint64_t offset);
  // Nothing is to be sent any more: what is unsent is cut off, and all nodes go back. sent() stays.
  void clear(RangePool& pool);

 private:
  void note_lost(RangePool& pool, OffsetRange range);
  void advance(RangePool& pool, uint64_t acked);

  uint64_t acked_ = 0;
  uint64_t sent_ = 0;
  uint64_t end_ = 0;
  RangeSet acked_ahead_;  // acknowledged beyond acked_
  RangeSet lost_;         // to be sent again; within [acked_, sent_)
  OffsetRange joined_;    // likewise: spans the losses that found no room in lost_
};

}  // namespace viaduct::quic
