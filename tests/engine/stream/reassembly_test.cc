#include "engine/stream/reassembly.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "tests/engine/stream/pattern.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kBlock = ReceiveBlock::kSize;
constexpr uint64_t kSecret = 0x123456789abcdef1;

bool insert(Reassembly& bytes, ReceiveStore& store, uint64_t offset, size_t size) {
  return bytes.insert(store, offset, pattern(offset, size));
}

TEST(Reassembly, HandsOnInOrder) {
  ReceiveStore store(4, kSecret);
  Reassembly bytes(0);
  EXPECT_TRUE(insert(bytes, store, 100, 50));
  EXPECT_FALSE(bytes.has_readable());
  EXPECT_TRUE(insert(bytes, store, 0, 60));
  EXPECT_EQ(bytes.contiguous(), 60u);
  EXPECT_TRUE(insert(bytes, store, 50, 55));
  EXPECT_EQ(bytes.contiguous(), 150u);
  const LentBytes lent = bytes.read(store);
  EXPECT_EQ(lent.bytes.size(), 150u);
  EXPECT_TRUE(is_pattern(0, lent.bytes));
  EXPECT_FALSE(bytes.has_readable());
  EXPECT_EQ(store.use().used(), 1u);
  EXPECT_EQ(store.consume(lent.token).length, 150u);
  EXPECT_EQ(store.use().used(), 0u) << "a stream that is read up pins nothing";
}

TEST(Reassembly, LentBytesStayWhenTheStreamGoes) {
  ReceiveStore store(4, kSecret);
  LentBytes lent;
  {
    Reassembly bytes(44);
    EXPECT_TRUE(insert(bytes, store, 0, 3 * kBlock));
    lent = bytes.read(store);
    bytes.discard(store);
  }
  EXPECT_EQ(store.use().used(), 1u);
  EXPECT_TRUE(is_pattern(0, lent.bytes));
  EXPECT_EQ(store.consume(lent.token).stream, 44u);
  EXPECT_EQ(store.use().used(), 0u);
}

TEST(Reassembly, TakesNothingWhereTheStoreIsFull) {
  ReceiveStore store(2, kSecret);
  Reassembly first(0);
  Reassembly second(4);
  EXPECT_TRUE(insert(first, store, 0, 10));
  EXPECT_FALSE(insert(second, store, 0, kBlock + 10)) << "two blocks, and one is left";
  EXPECT_EQ(store.use().refused(), 1u);
  EXPECT_EQ(store.use().used(), 1u);
  EXPECT_TRUE(insert(first, store, 5, 100)) << "no block more";
  EXPECT_TRUE(insert(first, store, 200, 10)) << "no block more, ahead of others";
  EXPECT_TRUE(insert(second, store, 0, 10));
  EXPECT_TRUE(insert(second, store, 0, 10)) << "nothing new";
  first.discard(store);
  EXPECT_TRUE(insert(second, store, 10, kBlock));
  second.discard(store);
}

// Bytes that wait for others cannot lock those out.
TEST(Reassembly, KeepsRoomForBytesInOrder) {
  ReceiveStore store(32, kSecret);
  Reassembly bytes(0);
  uint64_t blocks = 0;
  while (insert(bytes, store, (blocks + 2) * kBlock, 10)) ++blocks;
  EXPECT_EQ(blocks, 28u);
  EXPECT_TRUE(insert(bytes, store, 0, 2 * kBlock));
  EXPECT_EQ(bytes.contiguous(), 2 * kBlock + 10);
  bytes.discard(store);
}

// A peer that sends single bytes far apart, or all gaps there can be, pins its window and no more.
// proves RFC 9000 21.7-1
TEST(Reassembly, SparseBytesPinNoMoreThanTheWindow) {
  constexpr uint64_t kWindow = 64 * kBlock;
  ReceiveStore store(100, kSecret);
  Reassembly bytes(0);
  for (uint64_t offset = 1; offset < kWindow; offset += 2) ASSERT_TRUE(insert(bytes, store, offset, 1));
  EXPECT_EQ(store.use().used(), 64u);
  EXPECT_EQ(bytes.contiguous(), 0u);
  for (uint64_t offset = 0; offset < kWindow; offset += 2) ASSERT_TRUE(insert(bytes, store, offset, 1));
  EXPECT_EQ(bytes.contiguous(), kWindow);
  for (uint64_t offset = 0; bytes.has_readable(); offset += kBlock) {
    const LentBytes lent = bytes.read(store);
    ASSERT_TRUE(is_pattern(offset, lent.bytes));
    store.consume(lent.token);
  }
  EXPECT_EQ(store.use().used(), 0u);
}

// What was handed on cannot be changed any more.
TEST(Reassembly, RepeatedBytesChangeNothingThatIsRead) {
  ReceiveStore store(4, kSecret);
  Reassembly bytes(0);
  EXPECT_TRUE(insert(bytes, store, 0, 100));
  const LentBytes lent = bytes.read(store);
  EXPECT_TRUE(bytes.insert(store, 0, std::vector<uint8_t>(150, 0xee)));
  EXPECT_TRUE(is_pattern(0, lent.bytes));
  EXPECT_EQ(bytes.contiguous(), 150u);
  bytes.discard(store);
  store.consume(lent.token);
}

// Any pieces in any order, read and given back whenever, against a list of which bytes have come.
RC_GTEST_PROP(Reassembly, EqualsAMapOfBytes, ()) {
  constexpr uint64_t kSize = 5 * kBlock;
  ReceiveStore store(*rc::gen::element(3u, 5u, 20u), kSecret);
  Reassembly bytes(8);
  std::vector<bool> come(kSize);
  std::vector<LentBytes> lent;
  uint64_t read = 0;
  const auto give_back = [&](size_t i) {
    store.consume(lent[i].token);
    lent.erase(lent.begin() + static_cast<ptrdiff_t>(i));
  };
  const auto operations = *rc::gen::inRange(0, 150);
  for (int i = 0; i < operations; ++i) {
    switch (*rc::gen::inRange(0, 5)) {
      case 0: {
        const LentBytes next = bytes.read(store);
        RC_ASSERT(is_pattern(read, next.bytes));
        read += next.bytes.size();
        if (!next.bytes.empty()) lent.push_back(next);
        break;
      }
      case 1:
        if (!lent.empty()) give_back(*rc::gen::inRange<size_t>(0, lent.size()));
        break;
      default: {
        const auto size = *rc::gen::inRange<uint64_t>(0, uint64_t{1} << *rc::gen::inRange(1, 13));
        const bool in_order = *rc::gen::inRange(0, 3) == 0;
        const uint64_t offset =
            std::min(kSize - size, in_order ? bytes.contiguous() : *rc::gen::inRange<uint64_t>(0, kSize - size + 1));
        if (!insert(bytes, store, offset, size)) {
          RC_ASSERT(store.available(in_order) < size / kBlock + 2);
          break;
        }
        std::fill_n(come.begin() + static_cast<ptrdiff_t>(offset), size, true);
      }
    }
    const auto gap = static_cast<uint64_t>(std::find(come.begin(), come.end(), false) - come.begin());
    RC_ASSERT(bytes.contiguous() == gap);
    RC_ASSERT(bytes.delivered() == read);
  }
  while (!lent.empty()) give_back(0);
  bytes.discard(store);
  RC_ASSERT(store.use().used() == 0u);
}

}  // namespace
}  // namespace viaduct::quic
