#include "engine/recovery/ack_ranges.h"

#include <algorithm>
#include <memory>

namespace viaduct::quic {

static_assert(AckRanges::kMaxRanges * sizeof(PacketRange) <= BlockPool::kBlockSize);

// The index of the first range that ends at or above the number.
size_t AckRanges::first_not_below(uint64_t number) const {
  const PacketRange* found = std::lower_bound(ranges_, ranges_ + count_, number,
                                              [](const PacketRange& range, uint64_t n) { return range.largest < n; });
  return static_cast<size_t>(found - ranges_);
}

bool AckRanges::find_duplicate(uint64_t number) const {
  if (number < floor_) return true;
  const size_t at = first_not_below(number);
  return at < count_ && ranges_[at].smallest <= number;
}

bool AckRanges::insert_out_of_order(uint64_t number, Instant now) {
  if (is_duplicate(number)) return false;
  const size_t at = first_not_below(number);
  if (at == count_) largest_time_ = now;

  const bool joins_lower = at > 0 && ranges_[at - 1].largest + 1 == number;
  const bool joins_upper = at < count_ && ranges_[at].smallest == number + 1;
  if (joins_lower && joins_upper) {
    ranges_[at - 1].largest = ranges_[at].largest;
    std::move(ranges_ + at + 1, ranges_ + count_, ranges_ + at);
    --count_;
  } else if (joins_lower) {
    ranges_[at - 1].largest = number;
  } else if (joins_upper) {
    ranges_[at].smallest = number;
  } else {
    insert_range(at, number);
  }
  return true;
}

void AckRanges::insert_range(size_t at, uint64_t number) {
  if (count_ == capacity() && !draw_block()) {
    if (at == 0) {  // it would itself be the lowest, and forgotten
      floor_ = number + 1;
      return;
    }
    drop_lowest(1);
    --at;
  }
  std::move_backward(ranges_ + at, ranges_ + count_, ranges_ + count_ + 1);
  ranges_[at] = {number, number};
  ++count_;
}

void AckRanges::forget_up_to(uint64_t number) {
  if (count_ == 0) return;
  const uint64_t floor = std::min(number + 1, largest());
  if (floor <= floor_) return;
  drop_lowest(first_not_below(floor));
  ranges_[0].smallest = std::max(ranges_[0].smallest, floor);
  floor_ = floor;
  if (count_ <= kInlineRanges / 2) release_block();
}

void AckRanges::clear() {
  count_ = 0;
  release_block();
}

void AckRanges::drop_lowest(size_t count) {
  if (count == 0) return;
  floor_ = ranges_[count - 1].largest + 1;
  std::move(ranges_ + count, ranges_ + count_, ranges_);
  count_ -= count;
}

bool AckRanges::draw_block() {
  if (ranges_ != inline_.data()) return false;
  uint8_t* block = pool_->acquire();
  if (block == nullptr) return false;
  ranges_ = std::uninitialized_copy(ranges_, ranges_ + count_, reinterpret_cast<PacketRange*>(block)) - count_;
  return true;
}

// Only while what is left fits inside.
void AckRanges::release_block() {
  if (ranges_ == inline_.data()) return;
  std::copy(ranges_, ranges_ + count_, inline_.data());
  pool_->release(reinterpret_cast<uint8_t*>(ranges_));
  ranges_ = inline_.data();
}

}  // namespace viaduct::quic
