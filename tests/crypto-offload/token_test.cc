#include <gtest/gtest.h>

#include <set>

#include "crypto-offload/stateless_reset.h"
#include "crypto-offload/token_sealer.h"
#include "tests/crypto-offload/hex.h"

namespace viaduct::crypto {
namespace {

constexpr Duration kKeyLife = Duration::seconds(3600);
constexpr Duration kLifetime = Duration::seconds(10);
constexpr Instant kNow = Instant::from_ns(1'000'000'000'000'000);

class Tokens : public testing::Test {
 protected:
  std::vector<uint8_t> seal(TokenKind kind, Instant now = kNow, Duration lifetime = kLifetime) {
    std::vector<uint8_t> token(TokenSealer::kOverhead + contents_.size());
    EXPECT_EQ(sealer_.seal(kind, contents_, address_, now, lifetime, random_, token), token.size());
    return token;
  }

  const std::vector<uint8_t> secret_ = std::vector<uint8_t>(TokenSealer::kSecretSize, 7);
  const std::vector<uint8_t> address_ = from_hex("c6336401");
  const std::vector<uint8_t> contents_ = from_hex("8394c8f03e515708");
  Random random_ = Random::from_seed(1);
  TokenSealer sealer_{secret_, kKeyLife};
};

// proves RFC 9000 8.1.1-1
TEST_F(Tokens, ComeBack) {
  for (const TokenKind kind : {TokenKind::kRetry, TokenKind::kNewToken}) {
    const OpenedToken opened = sealer_.open(seal(kind), address_, kNow);
    EXPECT_EQ(opened.state, TokenState::kGood);
    EXPECT_EQ(opened.kind, kind);
    EXPECT_EQ(to_hex(opened.contents), to_hex(contents_));
  }
}

TEST_F(Tokens, AreOpenedByWhoeverSharesTheSecret) {
  TokenSealer other(secret_, kKeyLife);
  EXPECT_EQ(other.open(seal(TokenKind::kRetry), address_, kNow).state, TokenState::kGood);
  TokenSealer stranger(std::vector<uint8_t>(TokenSealer::kSecretSize, 8), kKeyLife);
  EXPECT_EQ(stranger.open(seal(TokenKind::kRetry), address_, kNow).state, TokenState::kForged);
}

// proves RFC 9000 8.1.3-3
TEST_F(Tokens, Expire) {
  const auto token = seal(TokenKind::kRetry);
  EXPECT_EQ(sealer_.open(token, address_, kNow + kLifetime).state, TokenState::kGood);
  const OpenedToken late = sealer_.open(token, address_, kNow + kLifetime + Duration::nanoseconds(1));
  EXPECT_EQ(late.state, TokenState::kExpired);
  EXPECT_TRUE(late.contents.empty());
}

// RFC 9000 section 8.1.4: a server should see to it that a token is used once.
// proves RFC 9000 8.1.4-6 8.1.4-8
TEST_F(Tokens, OfLaterConnectionsAreGoodOnce) {
  const auto token = seal(TokenKind::kNewToken, kNow, kKeyLife);
  const auto other = seal(TokenKind::kNewToken, kNow, kKeyLife);
  EXPECT_EQ(sealer_.open(token, from_hex("c6336402"), kNow).state, TokenState::kForged) << "which is no use";
  EXPECT_EQ(sealer_.open(token, address_, kNow).state, TokenState::kGood);
  const OpenedToken again = sealer_.open(token, address_, kNow + kKeyLife);
  EXPECT_EQ(again.state, TokenState::kUsed);
  EXPECT_EQ(again.kind, TokenKind::kNewToken);
  EXPECT_TRUE(again.contents.empty());
  EXPECT_EQ(sealer_.open(other, address_, kNow).state, TokenState::kGood);
}

TEST_F(Tokens, OfRetriesComeWithEachOfTheFirstPackets) {
  const auto token = seal(TokenKind::kRetry);
  EXPECT_EQ(sealer_.open(token, address_, kNow).state, TokenState::kGood);
  EXPECT_EQ(sealer_.open(token, address_, kNow).state, TokenState::kGood);
}

// More than are remembered: refused rather than good for ever.
TEST_F(Tokens, ThatCannotBeRememberedAreTakenForUsed) {
  size_t good = 0;
  const size_t tries = 2 * TokenSealer::kRemembered;
  for (size_t i = 0; i < tries; ++i) {
    good += sealer_.open(seal(TokenKind::kNewToken), address_, kNow).state == TokenState::kGood ? 1 : 0;
  }
  EXPECT_LE(good, TokenSealer::kRemembered);
  EXPECT_GT(good, TokenSealer::kRemembered / 2);
}

TEST_F(Tokens, LiveNoLongerThanTheirKey) {
  const auto token = seal(TokenKind::kNewToken, kNow, kKeyLife * 50);
  EXPECT_EQ(sealer_.open(token, address_, kNow + kKeyLife).state, TokenState::kGood);
  EXPECT_EQ(sealer_.open(token, address_, kNow + kKeyLife + kLifetime).state, TokenState::kExpired);
  EXPECT_EQ(sealer_.open(token, address_, kNow + kKeyLife * 4).state, TokenState::kForged);
  EXPECT_EQ(sealer_.open(token, address_, kNow + kKeyLife * 256).state, TokenState::kForged);
}

// Another host's clock may be a little off, on either side of a change of keys.
TEST_F(Tokens, SurviveAChangeOfKeys) {
  const Instant change = Instant::from_ns((kNow.ns() / kKeyLife.ns() + 1) * kKeyLife.ns());
  const Instant before = change - Duration::seconds(1);
  const Instant after = change + Duration::seconds(1);
  EXPECT_EQ(sealer_.open(seal(TokenKind::kRetry, before), address_, after).state, TokenState::kGood);
  EXPECT_EQ(sealer_.open(seal(TokenKind::kRetry, after), address_, before).state, TokenState::kGood);
}

// proves RFC 9000 8.1.4-3 8.1.4-4
TEST_F(Tokens, AreBoundToTheirAddress) {
  const auto token = seal(TokenKind::kRetry);
  EXPECT_EQ(sealer_.open(token, from_hex("c6336402"), kNow).state, TokenState::kForged);
  EXPECT_EQ(sealer_.open(token, {}, kNow).state, TokenState::kForged);
}

// A forged Retry token is still known for one: its sender cannot go on without an error.
// proves RFC 9000 8.1.4-2
TEST_F(Tokens, AreRefusedWhenAltered) {
  auto token = seal(TokenKind::kRetry);
  for (size_t bit = 0; bit < 8 * token.size(); ++bit) {
    token[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const OpenedToken opened = sealer_.open(token, address_, kNow);
    EXPECT_EQ(opened.state, TokenState::kForged) << "bit " << bit;
    EXPECT_EQ(opened.kind, bit < 8 ? TokenKind::kNewToken : TokenKind::kRetry) << "bit " << bit;
    token[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  for (size_t size = 0; size < token.size(); ++size) {
    EXPECT_EQ(sealer_.open(Bytes(token).first(size), address_, kNow).state, TokenState::kForged);
  }
  token.resize(1000);
  EXPECT_EQ(sealer_.open(token, address_, kNow).state, TokenState::kForged);
}

// proves RFC 9000 8.1.3-5 8.1.4-1
TEST_F(Tokens, AreNeverTheSame) {
  std::set<std::vector<uint8_t>> seen;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(seal(TokenKind::kNewToken)).second);
}

TEST_F(Tokens, NeedRoom) {
  std::vector<uint8_t> token(TokenSealer::kOverhead + contents_.size() - 1);
  EXPECT_EQ(sealer_.seal(TokenKind::kRetry, contents_, address_, kNow, kLifetime, random_, token), 0u);
  token.resize(1000);
  const std::vector<uint8_t> large(TokenSealer::kMaxContents + 1);
  EXPECT_EQ(sealer_.seal(TokenKind::kRetry, large, address_, kNow, kLifetime, random_, token), 0u);
}

TEST(StatelessResetTokens, DependOnKeyAndConnectionId) {
  const StatelessResetKey key(std::vector<uint8_t>(32, 1));
  const StatelessResetKey other(std::vector<uint8_t>(32, 2));
  const auto id = from_hex("8394c8f03e515708");
  EXPECT_EQ(key.token(id), StatelessResetKey(std::vector<uint8_t>(32, 1)).token(id));
  EXPECT_NE(key.token(id), other.token(id));
  EXPECT_NE(key.token(id), key.token(from_hex("8394c8f03e515709")));
  // RFC 4231, test case 1: the front of the HMAC.
  const StatelessResetKey known(std::vector<uint8_t>(20, 0x0b));
  EXPECT_EQ(to_hex(known.token(from_hex("4869205468657265"))), "b0344c61d8db38535ca8afceaf0bf12b");
}

}  // namespace
}  // namespace viaduct::crypto
