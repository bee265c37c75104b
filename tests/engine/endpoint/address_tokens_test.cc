// What tokens are bound to.
#include "engine/endpoint/address_tokens.h"

#include <gtest/gtest.h>

#include "engine/wire/version.h"

namespace viaduct::quic::test {
namespace {

using State = TokenFinding::State;

constexpr SocketAddress kClient{IpAddress::v4(198, 18, 0, 1), 40000};
constexpr std::array<uint8_t, 32> kSecret{1, 2, 3};

class Tokens : public ::testing::Test {
 protected:
  State check(Bytes token, SocketAddress client = kClient, uint32_t version = kVersion1, uint8_t scid = 2) {
    return tokens.check(token, client, version, std::vector<uint8_t>(8, scid), now).state;
  }
  Instant now = Instant::from_ns(1'000'000'000'000);
  Random random = Random::from_seed(1);
  AddressTokens tokens{kSecret, {Duration::seconds(10), Duration::seconds(3600)}, Duration()};
  AddressTokens::Room room;
  std::vector<uint8_t> original = std::vector<uint8_t>(20, 1);
  std::vector<uint8_t> retry_scid = std::vector<uint8_t>(8, 2);
};

TEST_F(Tokens, ARetryTokenBringsTheFirstConnectionIdBack) {
  const Bytes token = tokens.make_retry(kClient, kVersion1, original, retry_scid, now, random, room);
  const TokenFinding found = tokens.check(token, kClient, kVersion1, retry_scid, now);
  EXPECT_EQ(found.state, State::kRetry);
  EXPECT_TRUE(found.proves_address());
  EXPECT_TRUE(equal(found.original_dcid.bytes(), original));
}

TEST_F(Tokens, ARetryTokenIsForOneAddressVersionAndConnection) {
  const Bytes token = tokens.make_retry(kClient, kVersion1, original, retry_scid, now, random, room);
  EXPECT_EQ(check(token, {kClient.ip, 40001}), State::kForged);
  EXPECT_EQ(check(token, {IpAddress::v4(198, 18, 0, 2), 40000}), State::kForged);
  EXPECT_EQ(check(token, kClient, kVersion2), State::kForged);
  EXPECT_EQ(check(token, kClient, kVersion1, 3), State::kForged);
  EXPECT_EQ(check(token), State::kRetry);
}

TEST_F(Tokens, ARetryTokenHasAShortLife) {
  const Bytes token = tokens.make_retry(kClient, kVersion1, original, retry_scid, now, random, room);
  now = now + Duration::seconds(10);
  EXPECT_EQ(check(token), State::kRetry);
  now = now + Duration::nanoseconds(1);
  EXPECT_EQ(check(token), State::kExpired);
}

TEST_F(Tokens, ANewTokenIsForAnyPortAndConnectionOfOneAddress) {
  const Bytes token = tokens.make_new(kClient.ip, kVersion1, now, random, room);
  EXPECT_EQ(check(token, {kClient.ip, 1}, kVersion1, 9), State::kNew);
  EXPECT_EQ(check(token, {IpAddress::v4(198, 18, 0, 2), 40000}), State::kNone);
  EXPECT_EQ(check(token, kClient, kVersion2), State::kNone);
  now = now + Duration::seconds(3601);
  EXPECT_EQ(check(token), State::kNone);
}

TEST_F(Tokens, OthersWithTheSecretAndTheClockUnderstandThem) {
  AddressTokens other(kSecret, {Duration::seconds(10), Duration::seconds(3600)}, Duration::seconds(500));
  const Bytes token = tokens.make_new(kClient.ip, kVersion1, now, random, room);
  EXPECT_EQ(other.check(token, kClient, kVersion1, retry_scid, now - Duration::seconds(500)).state, State::kNew);
  AddressTokens stranger(std::array<uint8_t, 32>{9}, {Duration::seconds(10), Duration::seconds(3600)}, Duration());
  EXPECT_EQ(stranger.check(token, kClient, kVersion1, retry_scid, now).state, State::kNone);
}

// RFC 9000 section 8.1.4: two tokens cannot be told to be of one client.
// proves RFC 9000 8.1.3-4
TEST_F(Tokens, NoTwoAreAlike) {
  AddressTokens::Room other_room;
  const Bytes one = tokens.make_new(kClient.ip, kVersion1, now, random, room);
  const Bytes two = tokens.make_new(kClient.ip, kVersion1, now, random, other_room);
  EXPECT_FALSE(equal(one.last(16), two.last(16)));
}

TEST_F(Tokens, GarbageIsNoToken) {
  EXPECT_EQ(check({}), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(58, 7)), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(2000, 2)), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(58, 1)), State::kForged);
}

}  // namespace
}  // namespace viaduct::quic::test
