#include "apps/origin/segment_store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <map>
#include <vector>

namespace viaduct::origin {
namespace {

Chunk* load(SegmentStore& store, const SegmentKey& key, uint8_t byte) {
  const MutableBytes room = store.reserve();
  if (room.empty()) return nullptr;
  std::memset(room.data(), byte, room.size());
  return store.commit(key, static_cast<uint32_t>(room.size()));
}

TEST(SegmentStore, keeps_what_is_asked_for_and_lets_the_rest_go) {
  SegmentStore store(4 * 100, 100);
  for (uint32_t i = 0; i < 4; ++i) load(store, {1, i}, 1)->drop();
  for (uint32_t i = 4; i < 20; ++i) {
    store.find({1, 0})->drop();  // used all the time
    load(store, {1, i}, 1)->drop();
  }
  Chunk* kept = store.find({1, 0});
  ASSERT_TRUE(kept);
  kept->drop();
  EXPECT_FALSE(store.find({1, 4}));
  EXPECT_EQ(store.use().used(), 4u);
}

TEST(SegmentStore, has_no_room_while_all_is_held) {
  SegmentStore store(2 * 100, 100);
  Chunk* first = load(store, {1, 0}, 1);
  Chunk* second = load(store, {1, 1}, 2);
  EXPECT_TRUE(store.reserve().empty());
  EXPECT_EQ(store.use().refused(), 1u);
  first->drop();
  Chunk* third = load(store, {1, 2}, 3);
  ASSERT_TRUE(third);
  EXPECT_EQ(second->data()[0], 2);
  second->drop();
  third->drop();
}

TEST(SegmentStore, forgets_a_file_but_not_under_its_readers) {
  SegmentStore store(4 * 100, 100);
  Chunk* held = load(store, {1, 0}, 7);
  load(store, {1, 1}, 7)->drop();
  store.forget(1, 200);
  EXPECT_FALSE(store.find({1, 0}));
  EXPECT_FALSE(store.find({1, 1}));
  for (uint32_t i = 0; i < 10; ++i) load(store, {2, i}, 9)->drop();
  EXPECT_EQ(held->data()[99], 7);
  EXPECT_EQ(store.held(), 1u);
  held->drop();
}

// Against a naive twin: what is held is intact and findable until forgotten; the store never has more than its slots.
RC_GTEST_PROP(SegmentStore, never_touches_what_somebody_holds, ()) {
  static constexpr uint32_t kSlots = 5, kSize = 16;
  SegmentStore store(kSlots * kSize, kSize);
  std::vector<std::pair<Chunk*, uint8_t>> held;
  std::map<std::pair<uint64_t, uint32_t>, uint8_t> content;
  const auto steps = *rc::gen::container<std::vector<std::tuple<uint8_t, uint8_t, uint8_t>>>(
      rc::gen::arbitrary<std::tuple<uint8_t, uint8_t, uint8_t>>());
  uint8_t next_byte = 1;
  for (const auto& [action, a, b] : steps) {
    const SegmentKey key{static_cast<uint64_t>(a % 3 + 1), static_cast<uint32_t>(b % 4)};
    switch (action % 4) {
      case 0:
      case 1: {  // ask, load where it is not there, and hold
        Chunk* chunk = store.find(key);
        if (chunk) {
          RC_ASSERT(chunk->data()[0] == (content[{key.file, key.index}]));
        } else {
          chunk = load(store, key, next_byte);
          const bool all_held = store.held() == kSlots;
          RC_ASSERT(chunk || all_held);
          if (!chunk) break;
          content[{key.file, key.index}] = next_byte++;
        }
        held.emplace_back(chunk, chunk->data()[0]);
        break;
      }
      case 2:  // let go
        if (held.empty()) break;
        held[b % held.size()].first->drop();
        held.erase(held.begin() + b % held.size());
        break;
      case 3:
        store.forget(key.file, 4 * kSize);
        for (uint32_t i = 0; i < 4; ++i) RC_ASSERT(!store.find({key.file, i}));
        break;
    }
    RC_ASSERT(store.use().used() <= kSlots);
    for (const auto& [chunk, byte] : held) {
      for (const uint8_t there : chunk->bytes()) RC_ASSERT(there == byte);
    }
  }
  for (const auto& [chunk, byte] : held) chunk->drop();
}

}  // namespace
}  // namespace viaduct::origin
