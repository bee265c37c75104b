#include "crypto-offload/retry_offload.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace viaduct::crypto {
namespace {

std::vector<uint8_t> from_hex(std::string_view text) {
  const auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

RetryOffloadKey vector_key() {
  RetryOffloadKey key;
  std::ranges::copy(from_hex("30313233343536373839303132333435"), key.key.begin());
  std::ranges::copy(from_hex("313233343536373839303132"), key.iv.begin());
  return key;
}

// The draft's example values in the layout of its current text; the token that it prints is of an older layout.
TEST(RetryOffload, OpensTheExample) {
  const auto token = from_hex(
      "0059ef316b70575e793e1a87826f28a87ec6bb8f3ff79358bc2219e404d09a8031527a0cc58ce873f6fa5c5a5ef73cedb769510bb2c191b8"
      "d087");
  const SocketAddress client{IpAddress::v4(127, 0, 0, 1), 0x1a0a};
  const auto retry_id = from_hex("0301e770d24b3b13070dd5c2a9264307");
  const auto opened = RetryOffload({vector_key()}).open(token, client, retry_id, 0x60c7bf4d);
  ASSERT_EQ(opened.state, RetryOffloadState::kGood);
  EXPECT_TRUE(equal(opened.original(), from_hex("0c3817b544ca1c94313bba41757547eec937")));
}

TEST(RetryOffload, OpensWhatItSealed) {
  Random random = Random::from_seed(1);
  RetryOffload offload({vector_key()});
  const std::vector<uint8_t> original(20, 3), retry_id(12, 4);
  for (const IpAddress& ip : {IpAddress::v4(192, 0, 2, 1), *IpAddress::parse("2001:db8::7")}) {
    const SocketAddress client{ip, 4433};
    std::array<uint8_t, RetryOffload::kMaxToken> room;
    const size_t size = offload.seal(client, original, retry_id, 1000, random, room);
    ASSERT_EQ(size, room.size());
    const Bytes token(room.data(), size);
    EXPECT_TRUE(equal(offload.open(token, client, retry_id, 1002).original(), original)) << "clocks may differ";
    EXPECT_EQ(offload.open(token, client, retry_id, 1003).state, RetryOffloadState::kBad) << "expired";
    EXPECT_EQ(offload.open(token, {ip, 4434}, retry_id, 1000).state, RetryOffloadState::kBad);
    EXPECT_EQ(offload.open(token, client, original, 1000).state, RetryOffloadState::kBad);
    for (size_t i = 0; i < size; ++i) {
      auto changed = room;
      changed[i] ^= 0x40;
      EXPECT_NE(offload.open(changed, client, retry_id, 1000).state, RetryOffloadState::kGood) << i;
      EXPECT_NE(offload.open(token.first(i), client, retry_id, 1000).state, RetryOffloadState::kGood) << i;
    }
  }
  EXPECT_EQ(offload.sealed(), 2u);
}

TEST(RetryOffload, KnowsTokensThatAreNoneOfIt) {
  const RetryOffload offload({vector_key()});
  const std::vector<uint8_t> other(60, 0x80);
  EXPECT_EQ(offload.open({}, {}, {}, 0).state, RetryOffloadState::kForeign);
  EXPECT_EQ(offload.open(other, {}, {}, 0).state, RetryOffloadState::kForeign);
}

// Keys that change while tokens of them are under way.
class ChangingKeys : public testing::Test {
 protected:
  static RetryOffloadKey key(uint8_t number, uint8_t sequence) {
    RetryOffloadKey key{.sequence = sequence};
    key.key.fill(number);
    return key;
  }
  std::vector<uint8_t> token_of(RetryOffload& maker) {
    std::vector<uint8_t> token(RetryOffload::kMaxToken);
    token.resize(maker.seal(client, original, retry_id, 2000, random, token));
    return token;
  }
  RetryOffloadState state(const RetryOffload& offload, Bytes token, uint64_t now = 1000) {
    return offload.open(token, client, retry_id, now).state;
  }

  Random random = Random::from_seed(1);
  const SocketAddress client{IpAddress::v4(192, 0, 2, 1), 4433};
  const std::vector<uint8_t> original = std::vector<uint8_t>(20, 3), retry_id = std::vector<uint8_t>(12, 4);
};

// Whether the operator counts the sequence on or not.
TEST_F(ChangingKeys, LeaveTokensOfTheFormerOneGoodForTheirLife) {
  for (const uint8_t sequence : {0, 1}) {
    RetryOffload offload({key(1, 0)});
    const auto former = token_of(offload);
    offload.change({key(2, sequence)}, 1010);
    EXPECT_EQ(offload.sealed(), 0u) << "a key has its own limit";
    EXPECT_EQ(state(offload, former), RetryOffloadState::kGood);
    EXPECT_EQ(state(offload, former, 1010), RetryOffloadState::kGood);
    EXPECT_EQ(state(offload, former, 1011), RetryOffloadState::kBad);
    const auto today = token_of(offload);
    EXPECT_EQ(today[0], sequence);
    EXPECT_EQ(state(offload, today, 1011), RetryOffloadState::kGood);
    EXPECT_EQ(state(RetryOffload({key(2, sequence)}), today), RetryOffloadState::kGood);
    EXPECT_EQ(state(RetryOffload({key(1, 0)}), today), RetryOffloadState::kBad);
  }
}

TEST_F(ChangingKeys, AcceptTokensOfFurtherOnesAndMakeNone) {
  RetryOffload offload({key(1, 0), key(2, 1)}), next({key(2, 1), key(1, 0)});
  EXPECT_EQ(state(offload, token_of(next)), RetryOffloadState::kGood);
  EXPECT_EQ(state(next, token_of(offload)), RetryOffloadState::kGood);
  EXPECT_EQ(token_of(offload)[0], 0);
  const auto former = token_of(offload);
  offload.change({key(2, 1), key(1, 0)}, 1010);
  EXPECT_EQ(token_of(offload)[0], 1);
  EXPECT_EQ(state(offload, former, 1500), RetryOffloadState::kGood) << "it is still one of them";
}

// A file that is read again and again, each time with another key, takes no more room.
TEST_F(ChangingKeys, RememberAFewFormerOnes) {
  RetryOffload offload({key(1, 0)});
  const auto first = token_of(offload);
  for (uint8_t number = 2; number < 2 + RetryOffload::kMostFormer; ++number) offload.change({key(number, 0)}, 1010);
  EXPECT_EQ(state(offload, first), RetryOffloadState::kGood);
  offload.change({key(100, 0)}, 1010);
  EXPECT_EQ(state(offload, first), RetryOffloadState::kBad);
}

TEST(RetryOffload, SealsNothingForIdsThatCannotBe) {
  Random random = Random::from_seed(1);
  RetryOffload offload({vector_key()});
  std::array<uint8_t, RetryOffload::kMaxToken> room;
  EXPECT_EQ(offload.seal({}, std::vector<uint8_t>(7), {}, 0, random, room), 0u);
  EXPECT_EQ(offload.seal({}, std::vector<uint8_t>(21), {}, 0, random, room), 0u);
  EXPECT_EQ(offload.seal({}, std::vector<uint8_t>(8), {}, 0, random, MutableBytes(room).first(20)), 0u);
}

}  // namespace
}  // namespace viaduct::crypto
