// What tokens are bound to.
#include "engine/endpoint/address_tokens.h"

#include <gtest/gtest.h>

#include "engine/wire/version.h"

namespace viaduct::quic::test {
namespace {

using State = TokenFinding::State;

constexpr SocketAddress kClient{IpAddress::v4(198, 18, 0, 1), 40000};
constexpr std::array<uint8_t, 32> kSecret{1, 2, 3};
constexpr AddressTokens::Lifetimes kLifetimes{Duration::seconds(10), Duration::seconds(3600)};

class Tokens : public ::testing::Test {
 protected:
  State check(Bytes token, SocketAddress client = kClient, uint32_t version = kVersion1, uint8_t scid = 2) {
    return tokens.check(token, client, version, std::vector<uint8_t>(8, scid), now).state;
  }
  Instant now = Instant::from_ns(1'000'000'000'000);
  Random random = Random::from_seed(1);
  AddressTokens tokens{kSecret, kLifetimes, Duration()};
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
  const Bytes token = tokens.make_new(kClient.ip, kVersion1, {}, now, random, room);
  EXPECT_EQ(check(token, {kClient.ip, 1}, kVersion1, 9), State::kNew);
  EXPECT_EQ(check(token, {IpAddress::v4(198, 18, 0, 2), 40000}), State::kNone);
  EXPECT_EQ(check(token, kClient, kVersion2), State::kNone);
  now = now + Duration::seconds(3601);
  EXPECT_EQ(check(token), State::kNone);
}

TEST_F(Tokens, OthersWithTheSecretAndTheClockUnderstandThem) {
  AddressTokens other(kSecret, kLifetimes, Duration::seconds(500));
  const Bytes token = tokens.make_new(kClient.ip, kVersion1, {}, now, random, room);
  EXPECT_EQ(other.check(token, kClient, kVersion1, retry_scid, now - Duration::seconds(500)).state, State::kNew);
  AddressTokens stranger(std::array<uint8_t, 32>{9}, kLifetimes, Duration());
  EXPECT_EQ(stranger.check(token, kClient, kVersion1, retry_scid, now).state, State::kNone);
}

TEST_F(Tokens, ANewTokenRemembersThePath) {
  const PathKnowledge path{.window = 2'500'000, .round_trip = Duration::milliseconds(200)};
  const Bytes token = tokens.make_new(kClient.ip, kVersion1, path, now, random, room);
  const TokenFinding finding = tokens.check(token, kClient, kVersion1, retry_scid, now);
  EXPECT_EQ(finding.path.window, path.window);
  EXPECT_EQ(finding.path.round_trip, path.round_trip);
  AddressTokens::Room other_room;
  const Bytes without = tokens.make_new(kClient.ip, kVersion1, {}, now, random, other_room);
  EXPECT_EQ(tokens.check(without, kClient, kVersion1, retry_scid, now).path.window, 0u);
}

// RFC 9000 section 8.1.4: two tokens cannot be told to be of one client.
// proves RFC 9000 8.1.3-4
TEST_F(Tokens, NoTwoAreAlike) {
  AddressTokens::Room other_room;
  const Bytes one = tokens.make_new(kClient.ip, kVersion1, {}, now, random, room);
  const Bytes two = tokens.make_new(kClient.ip, kVersion1, {}, now, random, other_room);
  EXPECT_FALSE(equal(one.last(16), two.last(16)));
}

TEST_F(Tokens, GarbageIsNoToken) {
  EXPECT_EQ(check({}), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(58, 7)), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(2000, 2)), State::kNone);
  EXPECT_EQ(check(std::vector<uint8_t>(58, 1)), State::kForged);
}

// A balancer in front of us sends Retry, and looks at what clients bring (draft-ietf-quic-retry-offload, shared state).
class SharedTokens : public Tokens {
 protected:
  static constexpr int64_t kPosix = 1'790'000'000;
  static crypto::RetryOffloadKey key_of(uint8_t number) {
    crypto::RetryOffloadKey key{.sequence = 5};
    key.key.fill(number);
    key.iv.fill(0x22);
    return key;
  }
  std::vector<uint8_t> balancers_token(uint64_t expiry = kPosix + 10) {
    std::vector<uint8_t> token(crypto::RetryOffload::kMaxToken);
    token.resize(balancer.seal(kClient, original, retry_scid, expiry, random, token));
    return token;
  }
  std::atomic<int64_t> offset{kPosix * 1'000'000'000 - 1'000'000'000'000};
  crypto::RetryOffloadKeyring keyring{{key_of(0x11)}};
  RetrySharing sharing{.keys = &keyring, .posix_offset = &offset};
  crypto::RetryOffload balancer{{key_of(0x11)}};
  AddressTokens tokens = [this] { return AddressTokens(kSecret, kLifetimes, Duration(), &sharing); }();
};

TEST_F(SharedTokens, OfTheBalancerProveTheAddressAndBringTheFirstConnectionIdBack) {
  const TokenFinding found = tokens.check(balancers_token(), kClient, kVersion1, retry_scid, now);
  EXPECT_EQ(found.state, State::kRetry);
  EXPECT_TRUE(equal(found.original_dcid.bytes(), original));
}

TEST_F(SharedTokens, OfTheBalancerAreForOneAddressConnectionAndTime) {
  const auto state = [&](Bytes token, SocketAddress client, Bytes dcid) {
    return tokens.check(token, client, kVersion1, dcid, now).state;
  };
  EXPECT_EQ(state(balancers_token(), {kClient.ip, 40001}, retry_scid), State::kForged);
  EXPECT_EQ(state(balancers_token(), {IpAddress::v4(198, 18, 0, 2), 40000}, retry_scid), State::kForged);
  EXPECT_EQ(state(balancers_token(), kClient, original), State::kForged);
  EXPECT_EQ(state(balancers_token(kPosix - 3), kClient, retry_scid), State::kForged);
  // The clock was put right by an hour while we ran.
  const auto token = balancers_token(kPosix + 3610);
  offset += 3600 * int64_t{1'000'000'000};
  EXPECT_EQ(state(token, kClient, retry_scid), State::kRetry);
}

// Also where the change is met long after it was made, with the first token since, and where it was not the only one.
TEST_F(SharedTokens, OfFormerKeysAreTakenForTenMinutesFromTheChangeOn) {
  const auto first = balancers_token(kPosix + 2'000);
  balancer.change({key_of(0x33)}, kPosix);
  const auto second = balancers_token(kPosix + 2'000);
  keyring.change({key_of(0x33)}, kPosix - 590);
  keyring.change({key_of(0x55)}, kPosix - 10);
  const auto state = [&](Bytes token) { return tokens.check(token, kClient, kVersion1, retry_scid, now).state; };
  EXPECT_EQ(state(first), State::kRetry);
  EXPECT_EQ(state(second), State::kRetry);
  now = now + Duration::seconds(20);
  EXPECT_EQ(state(first), State::kForged);
  EXPECT_EQ(state(second), State::kRetry);
  now = now + Duration::seconds(600);
  EXPECT_EQ(state(second), State::kForged);
}

// Balancer and server change their key one after the other, while clients are under way with tokens of the former one.
TEST_F(SharedTokens, OutliveAChangeOfKeys) {
  const auto former = balancers_token();
  keyring.change({key_of(0x33)}, kPosix);
  EXPECT_EQ(tokens.check(former, kClient, kVersion1, retry_scid, now).state, State::kRetry);
  balancer.change({key_of(0x33)}, kPosix + 10);
  EXPECT_EQ(tokens.check(balancers_token(), kClient, kVersion1, retry_scid, now).state, State::kRetry);
  const Bytes retry = tokens.make_retry(kClient, kVersion1, original, retry_scid, now, random, room);
  EXPECT_EQ(crypto::RetryOffload({key_of(0x33)}).open(retry, kClient, retry_scid, kPosix).state,
            crypto::RetryOffloadState::kGood);
  // What nobody made any more for as long as a token may live is good no more, whatever it says.
  const Instant later = now + Duration::seconds(crypto::RetryOffload::kLongestLife + 1);
  crypto::RetryOffload old({key_of(0x11)});
  std::vector<uint8_t> late(crypto::RetryOffload::kMaxToken);
  late.resize(old.seal(kClient, original, retry_scid, kPosix + 3600, random, late));
  EXPECT_EQ(tokens.check(late, kClient, kVersion1, retry_scid, now).state, State::kRetry);
  EXPECT_EQ(tokens.check(late, kClient, kVersion1, retry_scid, later).state, State::kForged);
}

TEST_F(SharedTokens, OfOursAreUnderstoodByTheBalancer) {
  const Bytes retry = tokens.make_retry(kClient, kVersion1, original, retry_scid, now, random, room);
  EXPECT_EQ(balancer.open(retry, kClient, retry_scid, kPosix).state, crypto::RetryOffloadState::kGood);
  EXPECT_EQ(tokens.check(retry, kClient, kVersion1, retry_scid, now).state, State::kRetry);
}

// What is not of a Retry is no reason to refuse a client: the balancer passes it on, or sends Retry.
TEST_F(SharedTokens, OfLaterConnectionsAreTakenForWhatTheyAreByTheBalancer) {
  for (AddressTokens* maker : {&tokens, &this->Tokens::tokens}) {
    const Bytes token = maker->make_new(kClient.ip, kVersion1, {}, now, random, room);
    EXPECT_EQ(balancer.open(token, kClient, retry_scid, kPosix).state, crypto::RetryOffloadState::kForeign);
    EXPECT_EQ(tokens.check(token, kClient, kVersion1, retry_scid, now).state, State::kNew);
  }
}

// As where the key has made all that it may.
TEST_F(SharedTokens, AreNotMadeForIdsThatTheFormHasNoRoomFor) {
  EXPECT_TRUE(tokens.make_retry(kClient, kVersion1, Bytes(original).first(7), retry_scid, now, random, room).empty());
}

}  // namespace
}  // namespace viaduct::quic::test
