#include "base/spsc_ring.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <thread>
#include <vector>

namespace viaduct {
namespace {

TEST(SpscRing, HoldsAtLeastWhatWasAsked) {
  EXPECT_EQ(SpscRing<int>(0).capacity(), 2u);
  EXPECT_EQ(SpscRing<int>(8).capacity(), 8u);
  EXPECT_EQ(SpscRing<int>(9).capacity(), 16u);
}

TEST(SpscRing, RoomForABurstIsSeenOnceThereIs) {
  SpscRing<int> ring(4);
  const int items[4] = {1, 2, 3, 4};
  EXPECT_EQ(ring.push(items), 4u);
  int taken[3];
  ring.pop(std::span<int>(taken, 1));
  EXPECT_EQ(ring.room(), 1u);
  ring.pop(taken);
  EXPECT_EQ(ring.room(1), 1u) << "known to be enough: not looked up again";
  EXPECT_EQ(ring.room(2), 4u);
}

TEST(SpscRing, TakesAndShowsItemsInPlace) {
  SpscRing<int> ring(4);
  for (int i = 0; i < 4; ++i) {
    *ring.free_slot() = i;
    EXPECT_EQ(ring.size(), static_cast<size_t>(i)) << "not before it is handed over";
    ring.push_filled();
  }
  EXPECT_EQ(ring.free_slot(), nullptr);
  EXPECT_EQ(ring.front(3).size(), 3u);
  EXPECT_EQ(ring.size(), 4u) << "a look takes nothing";
  EXPECT_EQ(ring.front(3).back(), 2);
  ring.drop_front(3);
  *ring.free_slot() = 4;
  ring.push_filled();
  EXPECT_EQ(ring.front(9).size(), 1u) << "what lies behind the end comes next";
  EXPECT_EQ(ring.front(9)[0], 3);
  ring.drop_front(1);
  EXPECT_EQ(ring.front(9).size(), 1u);
  EXPECT_EQ(ring.front(9)[0], 4);
  ring.drop_front(1);
  EXPECT_TRUE(ring.front(9).empty());
  EXPECT_TRUE(ring.empty());
}

RC_GTEST_PROP(SpscRing, IsTheSameQueueInPlace, ()) {
  SpscRing<int> ring(*rc::gen::inRange<size_t>(1, 20));
  std::deque<int> model;
  int next = 0;
  for (const auto& [is_push, size] : *rc::gen::arbitrary<std::vector<std::pair<bool, uint8_t>>>()) {
    if (is_push) {
      int* slot = ring.free_slot();
      RC_ASSERT((slot == nullptr) == (model.size() == ring.capacity()));
      if (!slot) continue;
      *slot = next;
      ring.push_filled();
      model.push_back(next++);
    } else {
      const size_t most = size % 24;
      const std::span<const int> items = ring.front(most);
      RC_ASSERT(items.size() <= std::min(most, model.size()));
      RC_ASSERT(!items.empty() || most == 0 || model.empty());
      for (const int item : items) {
        RC_ASSERT(item == model.front());
        model.pop_front();
      }
      ring.drop_front(items.size());
    }
    RC_ASSERT(ring.size() == model.size());
  }
}

RC_GTEST_PROP(SpscRing, BehavesLikeABoundedQueue, ()) {
  SpscRing<int> ring(*rc::gen::inRange<size_t>(1, 20));
  std::deque<int> model;
  int next = 0;
  for (const auto& [is_push, size] : *rc::gen::arbitrary<std::vector<std::pair<bool, uint8_t>>>()) {
    std::vector<int> burst(size % 24);
    if (is_push) {
      for (int& item : burst) item = next++;
      const size_t pushed = ring.push(burst);
      RC_ASSERT(pushed == std::min(burst.size(), ring.capacity() - model.size()));
      model.insert(model.end(), burst.begin(), burst.begin() + static_cast<long>(pushed));
    } else {
      const size_t popped = ring.pop(burst);
      RC_ASSERT(popped == std::min(burst.size(), model.size()));
      for (size_t i = 0; i < popped; ++i, model.pop_front()) RC_ASSERT(burst[i] == model.front());
    }
    RC_ASSERT(ring.size() == model.size());
    RC_ASSERT(ring.empty() == model.empty());
    RC_ASSERT(ring.room() == ring.capacity() - model.size());
  }
}

TEST(SpscRing, KeepsOrderBetweenThreads) {
  constexpr uint64_t kItems = 20'000;
  SpscRing<uint64_t> ring(64);
  std::thread producer([&ring] {
    uint64_t burst[7];
    for (uint64_t next = 0; next < kItems;) {
      const size_t size = std::min<uint64_t>(std::size(burst), kItems - next);
      for (size_t i = 0; i < size; ++i) burst[i] = next + i;
      const size_t pushed = ring.push(std::span<const uint64_t>(burst, size));
      if (pushed == 0) std::this_thread::yield();
      next += pushed;
    }
  });
  uint64_t expected = 0;
  uint64_t burst[5];
  while (expected < kItems) {
    const size_t popped = ring.pop(burst);
    if (popped == 0) std::this_thread::yield();
    for (size_t i = 0; i < popped; ++i) EXPECT_EQ(burst[i], expected++);
  }
  producer.join();
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace viaduct
