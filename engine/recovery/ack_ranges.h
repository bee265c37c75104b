// Which packet numbers of one space have arrived: tells duplicates, and is what ACK frames are written from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/instant.h"
#include "engine/recovery/block_pool.h"
#include "engine/recovery/packet_space.h"

namespace viaduct::quic {

// Up to kMaxRanges ranges are kept. When there would be more, the lowest is forgotten, and every number up to its
// largest counts as a duplicate from then on: a packet may be dropped, but is never processed twice
// (RFC 9000 sections 12.3 and 13.2.3). A few ranges live inside; the rest in a block of the pool, drawn only while it
// is needed. If the pool is empty, fewer ranges are kept.
// meets RFC 9000 13.2.3-1 13.2.3-3 13.2.3-4 13.2.3-5
class AckRanges {
 public:
  static constexpr size_t kMaxRanges = 64;

  explicit AckRanges(BlockPool& pool) : pool_(&pool) {}
  ~AckRanges() { clear(); }
  AckRanges(const AckRanges&) = delete;
  AckRanges& operator=(const AckRanges&) = delete;

  // Whether the number arrived before, or is too old to tell. Ask before a packet's frames are processed.
  bool is_duplicate(uint64_t number) const {
    if (count_ == 0 || number > ranges_[count_ - 1].largest) return number < floor_;
    return find_duplicate(number);
  }

  // Notes an authenticated packet. False if it is a duplicate; then nothing changes.
  bool insert(uint64_t number, Instant now) {
    if (count_ > 0 && number == ranges_[count_ - 1].largest + 1) {
      ranges_[count_ - 1].largest = number;
      largest_time_ = now;
      return true;
    }
    return insert_out_of_order(number, now);
  }

  // The peer has received an ACK of ours whose largest was `number`: nothing up to it needs to be reported again
  // (RFC 9000 section 13.2.4), and what is missing below counts as a duplicate should it still come. The largest
  // number received stays.
  void forget_up_to(uint64_t number);

  // Forgets the ranges and gives the block back: the space is discarded.
  void clear();

  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  // The i-th range from the largest down, as an ACK frame lists them. i < size().
  PacketRange from_largest(size_t i) const { return ranges_[count_ - 1 - i]; }
  // Not when empty().
  uint64_t largest() const { return ranges_[count_ - 1].largest; }
  // Numbers below are no longer told apart: all count as duplicates.
  uint64_t floor() const { return floor_; }
  // When the largest arrived: what ACK Delay is measured from.
  Instant largest_time() const { return largest_time_; }

 private:
  static constexpr size_t kInlineRanges = 4;

  bool find_duplicate(uint64_t number) const;
  bool insert_out_of_order(uint64_t number, Instant now);
  void insert_range(size_t at, uint64_t number);
  bool draw_block();
  void drop_lowest(size_t count);
  void release_block();
  size_t capacity() const { return ranges_ == inline_.data() ? kInlineRanges : kMaxRanges; }
  size_t first_not_below(uint64_t number) const;

  std::array<PacketRange, kInlineRanges> inline_{};
  PacketRange* ranges_ = inline_.data();  // ascending, disjoint and not adjacent
  size_t count_ = 0;
  uint64_t floor_ = 0;  // numbers below count as duplicates
  Instant largest_time_;
  BlockPool* pool_;
};

}  // namespace viaduct::quic
