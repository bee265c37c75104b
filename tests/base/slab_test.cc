#include "base/slab.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "base/spsc_ring.h"
#include "tests/support/counting_memory.h"

namespace viaduct {
namespace {

TEST(BytePool, BlocksDoNotOverlapAndComeBack) {
  BytePool pool(4, 256);
  std::set<uint8_t*> blocks;
  for (int i = 0; i < 4; ++i) {
    uint8_t* block = pool.acquire();
    ASSERT_NE(block, nullptr);
    std::memset(block, i, 256);
    EXPECT_TRUE(blocks.insert(block).second);
  }
  EXPECT_EQ(pool.acquire(), nullptr);
  EXPECT_EQ(pool.refused(), 1u);
  std::set<uint8_t> values;
  for (uint8_t* block : blocks) {
    EXPECT_EQ(block[0], block[255]);
    values.insert(block[255]);
    pool.release(block + 100);
  }
  EXPECT_EQ(values.size(), 4u);
  EXPECT_EQ(pool.used(), 0u);
  EXPECT_EQ(pool.high_water(), 4u);
  EXPECT_NE(pool.acquire(), nullptr);
}

TEST(Slab, AllocatesOnlyWhenItIsMadeAndGivesAllBack) {
  test::CountingMemory memory;
  {
    BytePool bytes(8, 64, &memory);
    ChunkPool chunks(8, 64, &memory);
    const size_t allocations = memory.allocations;
    std::vector<uint8_t*> blocks;
    std::vector<PooledChunk*> held;
    while (uint8_t* block = bytes.acquire()) blocks.push_back(block);
    while (PooledChunk* chunk = chunks.acquire()) held.push_back(chunk);
    for (const uint8_t* block : blocks) bytes.release(block);
    for (PooledChunk* chunk : held) chunk->drop();
    EXPECT_EQ(memory.allocations, allocations);
  }
  EXPECT_EQ(memory.bytes_held, 0u);
}

TEST(ChunkPool, GivesOutAgainWhatCameBackBeforeWhatWasNeverUsed) {
  ChunkPool pool(8, 64);
  PooledChunk* first = pool.acquire();
  PooledChunk* second = pool.acquire();
  first->drop();
  second->drop();
  for (int i = 0; i < 20; ++i) {
    PooledChunk* again = pool.acquire();
    EXPECT_TRUE(again == first || again == second);
    again->drop();
  }
  std::vector<PooledChunk*> all;
  while (PooledChunk* chunk = pool.acquire()) all.push_back(chunk);
  EXPECT_EQ(all.size(), 8u);
  for (PooledChunk* chunk : all) chunk->drop();
}

#ifdef VIADUCT_ADDRESS_SANITIZER
TEST(SlabDeathTest, SanitizerSeesUseOfAFreeBlock) {
  BytePool pool(2, 64);
  uint8_t* block = pool.acquire();
  pool.release(block);
  EXPECT_DEATH(*static_cast<volatile uint8_t*>(block) = 1, "use-after-poison");
}
#endif

TEST(ChunkPool, ChunkReturnsWithItsLastReference) {
  ChunkPool pool(1, 1024);
  PooledChunk* chunk = pool.acquire();
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(chunk->size(), 1024u);
  EXPECT_EQ(chunk->data(), chunk->room().data());
  chunk->hold();
  chunk->drop();
  EXPECT_EQ(pool.acquire(), nullptr);
  EXPECT_EQ(pool.refused(), 1u);
  chunk->drop();
  EXPECT_EQ(pool.used(), 0u);
  chunk = pool.acquire();
  EXPECT_TRUE(chunk->is_unshared());
  chunk->drop();
  EXPECT_EQ(pool.high_water(), 1u);
}

// Made by one thread, dropped by two others.
TEST(ChunkPool, AnyThreadMayDropTheLastReference) {
  constexpr uint32_t kChunks = 64;
  constexpr int kRounds = 2'000;
  ChunkPool pool(kChunks, 64);
  SpscRing<PooledChunk*> rings[2] = {SpscRing<PooledChunk*>(kChunks), SpscRing<PooledChunk*>(kChunks)};
  const auto consume = [](SpscRing<PooledChunk*>& ring) {
    for (int received = 0; received < kRounds;) {
      PooledChunk* chunk = nullptr;
      if (!ring.pop(chunk)) {
        std::this_thread::yield();
        continue;
      }
      EXPECT_EQ(chunk->room()[0], static_cast<uint8_t>(received));
      chunk->drop();
      ++received;
    }
  };
  std::thread consumers[2] = {std::thread([&] { consume(rings[0]); }), std::thread([&] { consume(rings[1]); })};
  for (int i = 0; i < kRounds;) {
    PooledChunk* chunk = pool.acquire();
    if (!chunk) {
      std::this_thread::yield();
      continue;
    }
    chunk->room()[0] = static_cast<uint8_t>(i++);
    chunk->hold();
    ASSERT_TRUE(rings[0].push(chunk));
    ASSERT_TRUE(rings[1].push(chunk));
  }
  for (std::thread& consumer : consumers) consumer.join();
  EXPECT_EQ(pool.used(), 0u);
  std::vector<PooledChunk*> all;
  while (PooledChunk* chunk = pool.acquire()) all.push_back(chunk);
  EXPECT_EQ(all.size(), kChunks);
  for (PooledChunk* chunk : all) chunk->drop();
}

}  // namespace
}  // namespace viaduct
