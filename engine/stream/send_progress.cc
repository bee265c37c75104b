#include "engine/stream/send_progress.h"

#include <algorithm>

namespace viaduct::quic {

// meets RFC 9000 13.3-6
OffsetRange SendProgress::next(uint64_t limit) const {
  const bool is_joined_next = !joined_.empty() && (lost_.empty() || joined_.begin < lost_.front().begin);
  if (is_joined_next) return joined_;
  if (!lost_.empty()) return lost_.front();
  return {sent_, std::max(sent_, std::min(end_, limit))};
}

void SendProgress::on_sent(RangePool& pool, OffsetRange range) {
  if (!lost_.empty() && range.begin == lost_.front().begin) {
    lost_.pop_front(pool, range.size());
  } else if (!joined_.empty() && range.begin == joined_.begin) {
    joined_.begin = range.end;
  } else {
    sent_ = range.end;
  }
}

bool SendProgress::on_acked(RangePool& pool, OffsetRange range) {
  range.begin = std::max(range.begin, acked_);
  if (range.begin >= range.end) return false;
  lost_.erase(pool, range);
  if (range.begin == acked_) {
    advance(pool, range.end);
    return true;
  }
  if (!acked_ahead_.insert(pool, range)) note_lost(pool, range);
  return false;
}

// Everything below `acked` is acknowledged, and with it what was noted right behind.
void SendProgress::advance(RangePool& pool, uint64_t acked) {
  acked_ = acked;
  while (!acked_ahead_.empty() && acked_ahead_.front().begin <= acked_) {
    const OffsetRange front = acked_ahead_.front();
    acked_ = std::max(acked_, front.end);
    acked_ahead_.pop_front(pool, front.size());
  }
  if (!lost_.empty()) lost_.erase(pool, {0, acked_});
  joined_.begin = std::max(joined_.begin, acked_);
  joined_.end = std::max(joined_.end, joined_.begin);
}

void SendProgress::on_lost(RangePool& pool, OffsetRange range) {
  range.begin = std::max(range.begin, acked_);
  // What another packet has brought across meanwhile is not lost.
  for (const RangeNode* node = acked_ahead_.first(); node && range.begin < range.end; node = node->next) {
    if (node->range.end <= range.begin) continue;
    if (node->range.begin > range.begin) note_lost(pool, {range.begin, std::min(node->range.begin, range.end)});
    range.begin = std::max(range.begin, node->range.end);
  }
  if (range.begin < range.end) note_lost(pool, range);
}

void SendProgress::note_lost(RangePool& pool, OffsetRange range) {
  if (lost_.insert(pool, range)) return;
  joined_ =
      joined_.empty() ? range : OffsetRange{std::min(joined_.begin, range.begin), std::max(joined_.end, range.end)};
}

void SendProgress::restart(RangePool& pool) {
  const uint64_t end = end_;
  sent_ = 0;
  clear(pool);
  end_ = end;
}

void SendProgress::cut(RangePool& pool, uint64_t offset) {
  if (!lost_.empty() && lost_.back().end > offset) lost_.erase(pool, {offset, lost_.back().end});
  joined_.end = std::min(joined_.end, offset);
  if (joined_.begin >= joined_.end) joined_ = {};
  end_ = std::max(sent_, offset);
}

void SendProgress::clear(RangePool& pool) {
  acked_ahead_.clear(pool);
  lost_.clear(pool);
  joined_ = {};
  acked_ = end_ = sent_;
}

}  // namespace viaduct::quic
