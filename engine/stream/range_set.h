// A set of stream offsets as ranges, with bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>

#include "base/pool.h"

namespace viaduct::quic {

// Offsets from begin up to, not including, end.
struct OffsetRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  bool operator==(const OffsetRange&) const = default;
};

struct RangeNode {
  OffsetRange range;
  RangeNode* previous = nullptr;
  RangeNode* next = nullptr;
};
using RangePool = Pool<RangeNode>;

// Disjoint ranges in ascending order, none touching another. Each takes a node of the endpoint's pool. A set has at
// most kMaxRanges. Work at the front and at the end, which is where acknowledgements and losses fall, does not
// depend on how many there are.
class RangeSet {
 public:
  static constexpr uint32_t kMaxRanges = 256;

  RangeSet() = default;
  RangeSet(const RangeSet&) = delete;
  RangeSet& operator=(const RangeSet&) = delete;

  // False, and nothing changed, where it would take a range more than there may be, or than the pool has.
  bool insert(RangePool& pool, OffsetRange range);
  // Takes the offsets out; those in the middle of a range that cannot be split for want of a node stay in.
  void erase(RangePool& pool, OffsetRange range);
  void clear(RangePool& pool);

  bool empty() const { return first_ == nullptr; }
  uint32_t size() const { return count_; }
  // Only where not empty.
  OffsetRange front() const { return first_->range; }
  OffsetRange back() const { return last_->range; }
  // Takes the first `count` offsets of the front range out; at most its size.
  void pop_front(RangePool& pool, uint64_t count);

  const RangeNode* first() const { return first_; }

 private:
  RangeNode* last_at_or_before(uint64_t offset) const;
  RangeNode* add_after(RangePool& pool, RangeNode* before, OffsetRange range);
  void remove(RangePool& pool, RangeNode* node);
  void swallow_followers(RangePool& pool, RangeNode* node);

  RangeNode* first_ = nullptr;
  RangeNode* last_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace viaduct::quic
