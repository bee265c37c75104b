#include "engine/recovery/ack_ranges.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <vector>

#include "tests/support/instants.h"

namespace viaduct::quic {
namespace {

std::vector<PacketRange> listed(const AckRanges& ranges) {
  std::vector<PacketRange> all;
  for (size_t i = 0; i < ranges.size(); ++i) all.push_back(ranges.from_largest(i));
  return all;
}

using Ranges = std::vector<PacketRange>;

TEST(AckRanges, ListsRangesFromTheLargestDown) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (const uint64_t number : {5u, 0u, 1u, 7u, 2u, 6u}) EXPECT_TRUE(ranges.insert(number, at_us(0)));
  EXPECT_EQ(listed(ranges), (Ranges{{5, 7}, {0, 2}}));
  EXPECT_EQ(ranges.largest(), 7u);
}

TEST(AckRanges, JoinsNeighboursWhenTheGapIsFilled) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (const uint64_t number : {0u, 2u, 1u}) ranges.insert(number, at_us(0));
  EXPECT_EQ(listed(ranges), (Ranges{{0, 2}}));
}

// proves RFC 9000 12.3-4 13.2.3-3 13.2.3-4
TEST(AckRanges, TellsDuplicates) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  EXPECT_FALSE(ranges.is_duplicate(0));
  EXPECT_TRUE(ranges.insert(3, at_us(0)));
  EXPECT_FALSE(ranges.insert(3, at_us(1)));
  EXPECT_TRUE(ranges.is_duplicate(3));
  EXPECT_FALSE(ranges.is_duplicate(2));
  EXPECT_FALSE(ranges.is_duplicate(4));
}

TEST(AckRanges, RemembersWhenTheLargestArrived) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  ranges.insert(1, at_us(10));
  ranges.insert(5, at_us(20));
  ranges.insert(3, at_us(30));
  EXPECT_EQ(ranges.largest_time(), at_us(20));
  ranges.insert(6, at_us(40));
  EXPECT_EQ(ranges.largest_time(), at_us(40));
}

// RFC 9000 section 13.2.3: what is forgotten may not be accepted again.
TEST(AckRanges, ForgetsTheLowestRangeAtItsBound) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (uint64_t i = 0; i < AckRanges::kMaxRanges + 2; ++i) EXPECT_TRUE(ranges.insert(2 * i, at_us(0)));
  EXPECT_EQ(ranges.size(), AckRanges::kMaxRanges);
  EXPECT_EQ(ranges.from_largest(ranges.size() - 1), (PacketRange{4, 4}));
  EXPECT_TRUE(ranges.is_duplicate(0));
  EXPECT_TRUE(ranges.is_duplicate(1)) << "too old to tell";
  EXPECT_TRUE(ranges.is_duplicate(2));
  EXPECT_FALSE(ranges.is_duplicate(3));
}

TEST(AckRanges, AtItsBoundANumberBelowAllIsTakenOnce) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (uint64_t i = 0; i < AckRanges::kMaxRanges; ++i) ranges.insert(100 + 2 * i, at_us(0));
  EXPECT_TRUE(ranges.insert(50, at_us(0)));
  EXPECT_FALSE(ranges.insert(50, at_us(0)));
  EXPECT_TRUE(ranges.is_duplicate(49));
  EXPECT_FALSE(ranges.is_duplicate(51));
  EXPECT_EQ(ranges.size(), AckRanges::kMaxRanges);
}

TEST(AckRanges, KeepsFewerRangesWhenThePoolIsEmpty) {
  BlockPool pool(1);
  const uint8_t* taken = pool.acquire();
  AckRanges ranges(pool);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(ranges.insert(2 * i, at_us(0)));
  EXPECT_EQ(listed(ranges), (Ranges{{18, 18}, {16, 16}, {14, 14}, {12, 12}}));
  EXPECT_GT(pool.refused(), 0u);
  pool.release(taken);
}

TEST(AckRanges, HoldsABlockOnlyWhileRangesAreMany) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (uint64_t i = 0; i < 20; ++i) ranges.insert(2 * i, at_us(0));
  EXPECT_EQ(pool.used(), 1u);
  ranges.forget_up_to(36);
  EXPECT_EQ(listed(ranges), (Ranges{{38, 38}}));
  EXPECT_EQ(pool.used(), 0u);
}

// proves RFC 9000 13.2.3-2
TEST(AckRanges, AfterAnAcknowledgedAckReportsOnlyWhatIsNewer) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  for (const uint64_t number : {0u, 1u, 4u, 5u, 6u, 7u}) ranges.insert(number, at_us(0));
  ranges.forget_up_to(5);
  EXPECT_EQ(listed(ranges), (Ranges{{6, 7}}));
  EXPECT_TRUE(ranges.is_duplicate(2));
  ranges.forget_up_to(7);
  EXPECT_EQ(listed(ranges), (Ranges{{7, 7}})) << "the largest stays";
  ranges.forget_up_to(1);
  EXPECT_EQ(listed(ranges), (Ranges{{7, 7}})) << "an older ACK's acknowledgement changes nothing";
}

// The naive twin: a set of numbers and a floor.
struct Twin {
  std::set<uint64_t> numbers;
  uint64_t floor = 0;

  bool duplicate(uint64_t number) const { return number < floor || numbers.contains(number); }

  Ranges ranges() const {
    Ranges result;
    for (auto it = numbers.rbegin(); it != numbers.rend(); ++it) {
      if (!result.empty() && result.back().smallest == *it + 1) {
        result.back().smallest = *it;
      } else {
        result.push_back({*it, *it});
      }
    }
    return result;
  }

  void insert(uint64_t number) {
    numbers.insert(number);
    if (const Ranges all = ranges(); all.size() > AckRanges::kMaxRanges) raise_floor(all.back().largest + 1);
  }

  void forget_up_to(uint64_t number) {
    if (!numbers.empty()) raise_floor(std::min(number + 1, *numbers.rbegin()));
  }

  void raise_floor(uint64_t to) {
    floor = std::max(floor, to);
    numbers.erase(numbers.begin(), numbers.lower_bound(floor));
  }
};

RC_GTEST_PROP(AckRanges, AgreesWithASet, ()) {
  BlockPool pool(1);
  AckRanges ranges(pool);
  Twin twin;
  std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
  const uint64_t spread = std::array{10u, 100u, 400u}[random() % 3];
  uint64_t base = 0;
  for (int step = 0; step < 400; ++step) {
    const unsigned what = random() % 100;
    const uint64_t offset = random() % spread;
    if (what < 2) {
      twin.forget_up_to(base + offset);
      ranges.forget_up_to(base + offset);
    } else {
      const uint64_t number = what < 40 ? (twin.numbers.empty() ? 0 : *twin.numbers.rbegin() + 1) : base + offset;
      RC_ASSERT(ranges.is_duplicate(number) == twin.duplicate(number));
      RC_ASSERT(ranges.insert(number, at_us(1)) == !twin.duplicate(number));
      if (!twin.duplicate(number)) twin.insert(number);
      base += what == 99 ? spread / 2 : 0;
    }
    RC_ASSERT(listed(ranges) == twin.ranges());
    RC_ASSERT(ranges.floor() == twin.floor);
  }
}

}  // namespace
}  // namespace viaduct::quic
