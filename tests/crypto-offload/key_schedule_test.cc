#include "crypto-offload/key_schedule.h"

#include <gtest/gtest.h>

#include "tests/crypto-offload/hex.h"
#include "tests/crypto-offload/vectors.h"

namespace viaduct::crypto {
namespace {

std::string hex_of(const RawKeys& keys, const std::array<uint8_t, kMaxKeySize>& part) {
  return to_hex({part.data(), key_size(keys.aead)});
}

class KeySchedule : public testing::TestWithParam<vectors::Version> {};

// proves RFC 9001 5.2-2
TEST_P(KeySchedule, MakesInitialKeysFromTheConnectionId) {
  const vectors::Version& v = GetParam();
  const InitialSecrets secrets = initial_secrets(v.number, from_hex(vectors::kDestinationConnectionId));
  for (const auto& [secret, side] : {std::pair{secrets.client, v.client}, std::pair{secrets.server, v.server}}) {
    EXPECT_EQ(to_hex(secret.bytes()), side.secret);
    const RawKeys keys = derive_keys(v.number, Aead::kAes128Gcm, secret.bytes());
    EXPECT_EQ(hex_of(keys, keys.key), side.key);
    EXPECT_EQ(to_hex(keys.iv), side.iv);
    EXPECT_EQ(hex_of(keys, keys.header_key), side.header_key);
  }
}

TEST_P(KeySchedule, TagsRetryPackets) {
  const vectors::Version& v = GetParam();
  const auto id = from_hex(vectors::kDestinationConnectionId);
  auto retry = from_hex(v.retry);
  const RetryTag tag = retry_integrity_tag(v.number, id, Bytes(retry).first(retry.size() - kTagSize));
  EXPECT_EQ(to_hex(tag), v.retry.substr(v.retry.size() - 2 * kTagSize));
  EXPECT_TRUE(verify_retry(v.number, id, retry));
}

TEST_P(KeySchedule, RefusesAnAlteredRetry) {
  const vectors::Version& v = GetParam();
  auto id = from_hex(vectors::kDestinationConnectionId);
  auto retry = from_hex(v.retry);
  for (size_t bit = 0; bit < 8 * retry.size(); ++bit) {
    retry[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(verify_retry(v.number, id, retry)) << "bit " << bit;
    retry[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  id[0] ^= 1;
  EXPECT_FALSE(verify_retry(v.number, id, retry));
  EXPECT_FALSE(verify_retry(v.number, {}, retry));
  EXPECT_FALSE(verify_retry(v.number, id, Bytes(retry).first(kTagSize - 1)));
}

INSTANTIATE_TEST_SUITE_P(Versions, KeySchedule, testing::ValuesIn(vectors::kVersions),
                         [](const auto& parameter) { return parameter.param.number == kQuicVersion1 ? "v1" : "v2"; });

TEST(KeyUpdate, FollowsAppendixA5) {
  const RawKeys keys = derive_keys(kQuicVersion1, Aead::kChaCha20Poly1305, from_hex(vectors::kChaChaSecret));
  EXPECT_EQ(to_hex(keys.key), vectors::kChaChaKey);
  EXPECT_EQ(to_hex(keys.iv), vectors::kChaChaIv);
  EXPECT_EQ(to_hex(keys.header_key), vectors::kChaChaHeaderKey);
  EXPECT_EQ(to_hex(next_secret(kQuicVersion1, from_hex(vectors::kChaChaSecret)).bytes()), vectors::kChaChaNextSecret);
}

// RFC 9001 section 6.1: the header protection key does not change with the key phase.
TEST(KeyUpdate, KeepsTheHeaderKey) {
  const Secret secret(from_hex(vectors::kChaChaSecret));
  const RawKeys keys = derive_keys(kQuicVersion2, Aead::kAes256Gcm, secret.bytes());
  const Secret next = next_secret(kQuicVersion2, secret.bytes());
  const RawKeys next_keys = derive_next_keys(kQuicVersion2, keys, next.bytes());
  const RawKeys fresh = derive_keys(kQuicVersion2, Aead::kAes256Gcm, next.bytes());
  EXPECT_EQ(next_keys.key, fresh.key);
  EXPECT_EQ(next_keys.iv, fresh.iv);
  EXPECT_EQ(next_keys.header_key, keys.header_key);
  EXPECT_NE(next_keys.key, keys.key);
}

// HMAC-SHA-384: RFC 4231, test case 2.
TEST(Hmac, HasSha384) {
  const std::string_view key = "Jefe";
  const std::string_view data = "what do ya want for nothing?";
  const auto bytes_of = [](std::string_view s) { return Bytes(reinterpret_cast<const uint8_t*>(s.data()), s.size()); };
  std::array<uint8_t, kSha384Size> mac;
  hmac(kSha384Size, bytes_of(key), {bytes_of(data.substr(0, 9)), bytes_of(data.substr(9))}, mac.data());
  EXPECT_EQ(to_hex(mac),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
}

// RFC 5869, test case 3: no salt. A salt that is not given is hash_size zeros, which HMAC takes alike.
TEST(Hkdf, TakesAnEmptySaltAfterAnyOther) {
  const std::vector<uint8_t> input(22, 0x0b);
  hkdf_extract(kSha256Size, input, input);
  EXPECT_EQ(to_hex(hkdf_extract(kSha256Size, {}, input).bytes()),
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
}

}  // namespace
}  // namespace viaduct::crypto
