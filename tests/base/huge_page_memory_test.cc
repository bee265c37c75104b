#include "base/huge_page_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <vector>

#include "base/random.h"

namespace viaduct {
namespace {

TEST(HugePageMemory, GivesEachItsOwnBytesAndThePagesBackInTheEnd) {
  struct Block {
    void* memory;
    size_t size, alignment;
    uint8_t mark;
  };
  HugePageMemory memory;
  Random random = Random::from_seed(7);
  std::vector<Block> blocks;
  for (int step = 0; step < 400; ++step) {
    if (step < 300 && random.below(3) > 0) {
      const size_t size = 1 + random.below(random.below(4) == 0 ? 5 << 20 : 100 << 10);
      const size_t alignment = size_t{1} << random.below(8);
      void* block = memory.allocate(size, alignment);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
      const auto mark = static_cast<uint8_t>(step);
      std::memset(block, mark, size);
      blocks.push_back({block, size, alignment, mark});
    } else if (!blocks.empty()) {
      std::swap(blocks[random.below(blocks.size())], blocks.back());
      const Block block = blocks.back();
      blocks.pop_back();
      const auto* bytes = static_cast<const uint8_t*>(block.memory);
      for (size_t at = 0; at < block.size; at += 1 + block.size / 64) ASSERT_EQ(bytes[at], block.mark);
      ASSERT_EQ(bytes[block.size - 1], block.mark);
      memory.deallocate(block.memory, block.size, block.alignment);
    }
  }
  EXPECT_GT(memory.regions(), 0u);
  for (const Block& block : blocks) memory.deallocate(block.memory, block.size, block.alignment);
  EXPECT_EQ(memory.regions(), 0u);
}

TEST(HugePageMemory, PutsWhatIsSmallBehindWhatIsLargeOnItsLastPage) {
  HugePageMemory memory;
  void* large = memory.allocate(HugePageMemory::kPage + 1, 64);
  void* small = memory.allocate(HugePageMemory::kLarge, 64);
  EXPECT_EQ(memory.regions(), 1u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large) % HugePageMemory::kPage, 0u);
  memory.deallocate(small, HugePageMemory::kLarge, 64);
  memory.deallocate(large, HugePageMemory::kPage + 1, 64);
  EXPECT_EQ(memory.regions(), 0u);
}

TEST(HugePageMemory, PutsNoTwoOnOneCacheLine) {
  HugePageMemory memory;
  constexpr size_t kSize = HugePageMemory::kLarge + 4;
  void* const first = memory.allocate(kSize, 4);
  void* const second = memory.allocate(kSize, 4);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 64, 0u);
  memory.deallocate(first, kSize, 4);
  memory.deallocate(second, kSize, 4);
}

TEST(HugePageMemory, LeavesToTheHeapWhatIsLittle) {
  HugePageMemory memory;
  std::pmr::vector<int> little(100, 1, &memory);
  EXPECT_EQ(memory.regions(), 0u);
}

}  // namespace
}  // namespace viaduct
