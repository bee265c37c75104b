#include "flowsteer/nonce_sequence.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace viaduct::flowsteer {
namespace {

constexpr SipKey kOrder{9, 9, 9};
constexpr uint64_t kNoLimit = UINT64_MAX;

std::string text_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// proves RFC 9000 10.3.2-3 10.3.2-4
TEST(NonceSequence, NeverRepeatsAcrossWorkers) {
  for (size_t length = 4; length <= 18; ++length) {
    Random random = Random::from_seed(length);
    std::set<std::string> seen;
    for (unsigned worker = 0; worker < 3; ++worker) {
      NonceSequence sequence(kOrder, length, worker, 3, kNoLimit, random);
      std::vector<uint8_t> nonce(length);
      for (int i = 0; i < 5'000; ++i) {
        ASSERT_TRUE(sequence.next(random, nonce.data()));
        ASSERT_TRUE(seen.insert(text_of(nonce)).second) << length;
      }
    }
  }
}

TEST(NonceSequence, StartsElsewhereEachTime) {
  Random random = Random::from_seed(1);
  std::set<std::string> first;
  for (int i = 0; i < 100; ++i) {
    NonceSequence sequence(kOrder, 8, 0, 1, kNoLimit, random);
    std::vector<uint8_t> nonce(8);
    sequence.next(random, nonce.data());
    first.insert(text_of(nonce));
  }
  EXPECT_EQ(first.size(), 100u);
}

TEST(NonceSequence, NeighboursLookUnrelated) {
  Random random = Random::from_seed(2);
  NonceSequence sequence(kOrder, 4, 0, 1, kNoLimit, random);
  std::vector<uint8_t> last(4), next(4);
  sequence.next(random, last.data());
  int changed_bits = 0;
  constexpr int kRounds = 2'000;
  for (int i = 0; i < kRounds; ++i, last = next) {
    sequence.next(random, next.data());
    for (size_t byte = 0; byte < 4; ++byte)
      changed_bits += std::popcount(static_cast<unsigned>(last[byte] ^ next[byte]));
  }
  EXPECT_NEAR(changed_bits / double{kRounds}, 16.0, 0.5);
}

TEST(NonceSequence, EndsAtItsLimit) {
  Random random = Random::from_seed(3);
  NonceSequence sequence(kOrder, 5, 1, 4, 10, random);
  uint8_t nonce[5];
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(sequence.next(random, nonce));
  EXPECT_EQ(sequence.remaining(), 0u);
  EXPECT_FALSE(sequence.next(random, nonce));
}

TEST(NonceSequence, HasAsManyAsItsPartOfTheRange) {
  Random random = Random::from_seed(4);
  EXPECT_EQ(NonceSequence(kOrder, 4, 0, 4, kNoLimit, random).remaining(), 0xffffffffu / 4);
  EXPECT_EQ(NonceSequence(kOrder, 18, 0, 1, kNoLimit, random).remaining(), UINT64_MAX);
}

}  // namespace
}  // namespace viaduct::flowsteer
