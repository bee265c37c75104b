#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace viaduct {
namespace {

// RFC 8439 section 2.3.2.
TEST(ChaCha20, BlockMatchesTheRfc) {
  ChaCha20Key key;
  for (uint32_t i = 0; i < key.size(); ++i) key[i] = 0x03020100 + 0x04040404 * i;
  const ChaCha20Block expected = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033,
                                  0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
                                  0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  EXPECT_EQ(chacha20_block(key, 1, {0x09000000, 0x4a000000, 0}), expected);
}

TEST(Random, SameSeedGivesSameBytesHoweverTheyAreDrawn) {
  Random whole = Random::from_seed(7);
  Random pieces = Random::from_seed(7);
  std::vector<uint8_t> a(2000), b(2000);
  whole.fill(a);
  for (size_t at = 0, size = 1; at < b.size(); at += size, size = size % 97 + 1) {
    size = std::min(size, b.size() - at);
    pieces.fill(MutableBytes(b).subspan(at, size));
  }
  EXPECT_EQ(a, b);
}

TEST(Random, FirstBytesAreTheBlocksAfterTheNextKey) {
  Random random(std::array<uint8_t, 32>{});
  const ChaCha20Block first = chacha20_block({}, 0, {});
  EXPECT_EQ(random.u64(), first[8] | uint64_t{first[9]} << 32);
}

TEST(Random, SeedsAreTheOnlyDifference) {
  EXPECT_NE(Random::from_seed(1).u64(), Random::from_seed(2).u64());
  EXPECT_NE(Random::from_system().u64(), Random::from_system().u64());
}

TEST(Random, BitsAreThoseOfTheWordsInTurn) {
  Random words = Random::from_seed(9), bits = Random::from_seed(9);
  for (int w = 0; w < 3; ++w) {
    const uint64_t word = words.u64();
    uint64_t together = 0;
    for (int i = 0; i < 64; ++i) together |= uint64_t{bits.bit()} << i;
    EXPECT_EQ(together, word);
  }
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  Random random = Random::from_seed(1);
  for (const uint64_t n : {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{100}, ~uint64_t{0}}) {
    for (int i = 0; i < 100; ++i) ASSERT_LT(random.below(n), n);
  }
  std::array<int, 6> dice{};
  for (int i = 0; i < 60'000; ++i) ++dice[random.below(6)];
  for (const int count : dice) EXPECT_NEAR(count, 10'000, 500);
}

// Of numbers below 3/4 of the range, a modulus would draw the lower third twice as often as the rest.
TEST(Random, BelowIsUnbiasedWhereTheRangeIsNoMultiple) {
  Random random = Random::from_seed(1);
  const uint64_t quarter = uint64_t{1} << 62;
  int low = 0;
  for (int i = 0; i < 30'000; ++i) low += random.below(3 * quarter) < quarter;
  EXPECT_NEAR(low, 10'000, 500);
}

TEST(Random, FillOfNothingDrawsNothing) {
  Random a = Random::from_seed(1), b = Random::from_seed(1);
  a.fill({});
  EXPECT_EQ(a.u64(), b.u64());
}

}  // namespace
}  // namespace viaduct
