#include "base/pool.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "tests/support/counting_memory.h"

namespace viaduct {
namespace {

using Shared = std::shared_ptr<int>;

TEST(Pool, StaleHandleIsAMiss) {
  Pool<int> pool(1);
  const Handle first = pool.acquire(1);
  ASSERT_TRUE(pool.release(first));
  EXPECT_EQ(pool.get(first), nullptr);
  const Handle second = pool.acquire(2);
  EXPECT_EQ(pool.get(first), nullptr) << "the slot is in use again, by somebody else";
  EXPECT_FALSE(pool.release(first));
  EXPECT_EQ(*pool.get(second), 2);
}

TEST(Pool, ForgedHandlesAreMisses) {
  Pool<int> pool(2);
  EXPECT_EQ(pool.get({}), nullptr);
  pool.acquire(1);
  EXPECT_EQ(pool.get({}), nullptr);
  EXPECT_EQ(pool.get({1, 0}), nullptr) << "free and never used";
  EXPECT_EQ(pool.get({1, 1}), nullptr);
  EXPECT_EQ(pool.get({2, 1}), nullptr) << "beyond the end";
}

TEST(Pool, RefusesAndCountsWhenUsedUp) {
  Pool<int> pool(2);
  const Handle one = pool.acquire(1);
  pool.acquire(2);
  EXPECT_FALSE(pool.acquire(3));
  EXPECT_EQ(pool.refused(), 1u);
  pool.release(one);
  EXPECT_EQ(pool.used(), 1u);
  EXPECT_EQ(pool.high_water(), 2u);
  EXPECT_TRUE(pool.acquire(4));
}

TEST(Pool, ObjectsLiveFromAcquireToRelease) {
  const Shared counted = std::make_shared<int>(1);
  {
    Pool<Shared> pool(4);
    const Handle released = pool.acquire(counted);
    pool.acquire(counted);
    EXPECT_EQ(counted.use_count(), 3);
    pool.release(released);
    EXPECT_EQ(counted.use_count(), 2);
  }
  EXPECT_EQ(counted.use_count(), 1) << "what is left goes with the pool";
}

TEST(Pool, ForEachMayReleaseWhatItMeets) {
  Pool<int> pool(8);
  for (int i = 0; i < 8; ++i) pool.acquire(i);
  pool.for_each([&pool](Handle handle, int& value) {
    if (value % 2) pool.release(handle);
  });
  int sum = 0;
  pool.for_each([&](Handle handle, int& value) {
    EXPECT_EQ(pool.get(handle), &value);
    EXPECT_EQ(pool.handle_of(value), handle);
    sum += value;
  });
  EXPECT_EQ(sum, 0 + 2 + 4 + 6);
}

TEST(Pool, AllocatesOnlyWhenItIsMadeAndGivesAllBack) {
  test::CountingMemory memory;
  {
    Pool<int> pool(100, &memory);
    const size_t allocations = memory.allocations;
    for (int round = 0; round < 3; ++round) {
      while (pool.acquire(round)) {
      }
      pool.for_each([&pool](Handle handle, int&) { pool.release(handle); });
    }
    EXPECT_EQ(memory.allocations, allocations);
    EXPECT_GT(memory.bytes_held, 100 * sizeof(int));
  }
  EXPECT_EQ(memory.bytes_held, 0u);
}

RC_GTEST_PROP(Pool, BehavesLikeAMap, ()) {
  const auto capacity = *rc::gen::inRange<uint32_t>(0, 6);
  Pool<int> pool(capacity);
  std::map<Handle, int> model;
  std::vector<Handle> given;  // all that ever were
  uint64_t refused = 0;
  int next = 0;
  for (const auto& [is_release, pick] : *rc::gen::arbitrary<std::vector<std::pair<bool, uint8_t>>>()) {
    if (is_release && !given.empty()) {
      const Handle handle = given[pick % given.size()];
      RC_ASSERT(pool.release(handle) == (model.erase(handle) == 1));
    } else if (const Handle handle = pool.acquire(next)) {
      RC_ASSERT(model.emplace(handle, next++).second);
      given.push_back(handle);
    } else {
      RC_ASSERT(model.size() == capacity);
      ++refused;
    }
    for (const Handle handle : given) {
      const auto found = model.find(handle);
      const int* object = pool.get(handle);
      RC_ASSERT((object != nullptr) == (found != model.end()));
      if (object) RC_ASSERT(*object == found->second);
    }
    RC_ASSERT(pool.used() == model.size());
    RC_ASSERT(pool.refused() == refused);
  }
}

}  // namespace
}  // namespace viaduct
