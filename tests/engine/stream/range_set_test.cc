#include "engine/stream/range_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bitset>

namespace viaduct::quic {
namespace {

constexpr size_t kOffsets = 200;
using Twin = std::bitset<kOffsets>;

// What the set holds; fails where its ranges are not in order and apart.
Twin contents(const RangeSet& set) {
  Twin twin;
  uint64_t bound = 0;
  uint32_t count = 0;
  for (const RangeNode* node = set.first(); node; node = node->next) {
    EXPECT_TRUE(node->range.begin < node->range.end);
    EXPECT_TRUE(count == 0 || node->range.begin > bound);
    bound = node->range.end;
    ++count;
    for (uint64_t i = node->range.begin; i < node->range.end; ++i) twin.set(i);
  }
  EXPECT_EQ(count, set.size());
  return twin;
}

size_t runs(const Twin& twin) {
  size_t count = 0;
  for (size_t i = 0; i < kOffsets; ++i) count += twin[i] && (i == 0 || !twin[i - 1]);
  return count;
}

Twin with(Twin twin, OffsetRange range, bool value) {
  for (uint64_t i = range.begin; i < range.end; ++i) twin.set(i, value);
  return twin;
}

TEST(RangeSet, JoinsWhatTouches) {
  RangePool pool(10);
  RangeSet set;
  EXPECT_TRUE(set.insert(pool, {10, 20}));
  EXPECT_TRUE(set.insert(pool, {30, 40}));
  EXPECT_EQ(set.size(), 2u);
  EXPECT_TRUE(set.insert(pool, {20, 30}));
  EXPECT_EQ(set.size(), 1u);
  EXPECT_EQ(set.front(), (OffsetRange{10, 40}));
  set.erase(pool, {15, 20});
  EXPECT_EQ(set.front(), (OffsetRange{10, 15}));
  EXPECT_EQ(set.back(), (OffsetRange{20, 40}));
  set.pop_front(pool, 5);
  EXPECT_EQ(set.front(), (OffsetRange{20, 40}));
  set.clear(pool);
  EXPECT_EQ(pool.used(), 0u);
}

TEST(RangeSet, HoldsNoMoreThanItsBound) {
  RangePool pool(2 * RangeSet::kMaxRanges);
  RangeSet set;
  for (uint64_t i = 0; i < RangeSet::kMaxRanges; ++i) EXPECT_TRUE(set.insert(pool, {4 * i, 4 * i + 1}));
  EXPECT_FALSE(set.insert(pool, {1'000'000, 1'000'001}));
  EXPECT_TRUE(set.insert(pool, {1, 4})) << "needs no range more";
  EXPECT_EQ(set.size(), RangeSet::kMaxRanges - 1);
  set.clear(pool);
}

// Any operations, with a pool that is large enough or not.
RC_GTEST_PROP(RangeSet, EqualsASetOfOffsets, ()) {
  RangePool pool(*rc::gen::element(3u, 8u, 1000u));
  RangeSet set;
  Twin twin;
  const auto operations = *rc::gen::inRange(0, 200);
  for (int i = 0; i < operations; ++i) {
    const auto begin = *rc::gen::inRange<uint64_t>(0, kOffsets);
    const OffsetRange range{begin, *rc::gen::inRange<uint64_t>(begin, std::min<uint64_t>(kOffsets, begin + 20) + 1)};
    const bool has_node = set.size() < pool.capacity();
    switch (*rc::gen::inRange(0, 3)) {
      case 0: {
        const Twin larger = with(twin, range, true);
        const bool fits = runs(larger) <= set.size() || has_node;
        RC_ASSERT(set.insert(pool, range) == fits);
        if (fits) twin = larger;
        break;
      }
      case 1: {
        const Twin smaller = with(twin, range, false);
        set.erase(pool, range);
        if (runs(smaller) <= set.size() || has_node) twin = smaller;
        break;
      }
      default:
        if (set.empty()) break;
        const OffsetRange front = set.front();
        const auto count = *rc::gen::inRange<uint64_t>(0, front.size() + 1);
        set.pop_front(pool, count);
        twin = with(twin, {front.begin, front.begin + count}, false);
    }
    RC_ASSERT(contents(set) == twin);
    RC_ASSERT(pool.used() == set.size());
  }
  set.clear(pool);
  RC_ASSERT(pool.used() == 0u);
}

}  // namespace
}  // namespace viaduct::quic
