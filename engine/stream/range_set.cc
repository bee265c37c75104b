#include "engine/stream/range_set.h"

#include <algorithm>

namespace viaduct::quic {

// The last node that begins at `offset` or before; from the nearer end, by a guess.
RangeNode* RangeSet::last_at_or_before(uint64_t offset) const {
  if (!first_ || offset < first_->range.begin) return nullptr;
  if (offset - first_->range.begin < last_->range.begin - std::min(offset, last_->range.begin)) {
    RangeNode* node = first_;
    while (node->next && node->next->range.begin <= offset) node = node->next;
    return node;
  }
  RangeNode* node = last_;
  while (node->range.begin > offset) node = node->previous;
  return node;
}

// A new node behind `before`, or in front of all where that is null.
RangeNode* RangeSet::add_after(RangePool& pool, RangeNode* before, OffsetRange range) {
  if (count_ == kMaxRanges) return nullptr;
  RangeNode* node = pool.get(pool.acquire());
  if (!node) return nullptr;
  node->range = range;
  node->previous = before;
  node->next = before ? before->next : first_;
  (node->previous ? node->previous->next : first_) = node;
  (node->next ? node->next->previous : last_) = node;
  ++count_;
  return node;
}

void RangeSet::remove(RangePool& pool, RangeNode* node) {
  (node->previous ? node->previous->next : first_) = node->next;
  (node->next ? node->next->previous : last_) = node->previous;
  pool.release(pool.handle_of(*node));
  --count_;
}

// Joins the nodes behind that this one has come to touch.
void RangeSet::swallow_followers(RangePool& pool, RangeNode* node) {
  while (node->next && node->next->range.begin <= node->range.end) {
    node->range.end = std::max(node->range.end, node->next->range.end);
    remove(pool, node->next);
  }
}

bool RangeSet::insert(RangePool& pool, OffsetRange range) {
  if (range.empty()) return true;
  RangeNode* before = last_at_or_before(range.begin);
  if (before && before->range.end >= range.begin) {
    before->range.end = std::max(before->range.end, range.end);
    swallow_followers(pool, before);
    return true;
  }
  RangeNode* after = before ? before->next : first_;
  if (after && after->range.begin <= range.end) {
    after->range = {range.begin, std::max(after->range.end, range.end)};
    swallow_followers(pool, after);
    return true;
  }
  return add_after(pool, before, range) != nullptr;
}

void RangeSet::erase(RangePool& pool, OffsetRange range) {
  if (range.empty()) return;
  RangeNode* node = last_at_or_before(range.begin);
  if (!node || node->range.end <= range.begin) node = node ? node->next : first_;
  while (node && node->range.begin < range.end) {
    RangeNode* next = node->next;
    const bool keeps_front = node->range.begin < range.begin;
    const bool keeps_back = node->range.end > range.end;
    if (keeps_front && keeps_back) {
      if (add_after(pool, node, {range.end, node->range.end})) node->range.end = range.begin;
    } else if (keeps_front) {
      node->range.end = range.begin;
    } else if (keeps_back) {
      node->range.begin = range.end;
    } else {
      remove(pool, node);
    }
    node = next;
  }
}

void RangeSet::clear(RangePool& pool) {
  while (first_) remove(pool, first_);
}

void RangeSet::pop_front(RangePool& pool, uint64_t count) {
  first_->range.begin += count;
  if (first_->range.empty()) remove(pool, first_);
}

}  // namespace viaduct::quic
