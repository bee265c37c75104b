#include "crypto-offload/key_schedule.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <string>
#include <vector>

#include "crypto-offload/tls_kdf_provider.h"
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

// RFC 9001 section 6.1: the header protection key does not change with the key phase, so the next phase brings none.
TEST(KeyUpdate, MakesNoHeaderKey) {
  const Secret secret(from_hex(vectors::kChaChaSecret));
  const RawKeys keys = derive_keys(kQuicVersion2, Aead::kAes256Gcm, secret.bytes());
  const Secret next = next_secret(kQuicVersion2, secret.bytes());
  const RawKeys next_keys = derive_next_keys(kQuicVersion2, Aead::kAes256Gcm, next.bytes());
  const RawKeys fresh = derive_keys(kQuicVersion2, Aead::kAes256Gcm, next.bytes());
  EXPECT_EQ(next_keys.key, fresh.key);
  EXPECT_EQ(next_keys.iv, fresh.iv);
  EXPECT_EQ(next_keys.header_key, RawKeys{}.header_key);
  EXPECT_NE(next_keys.key, keys.key);
}

// One derivation of TLS 1.3 by the provider that the query finds; empty where it refuses.
struct Derivation {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string digest = "SHA2-256";
  std::vector<uint8_t> key, salt, data;
  std::string label = "derived";
  size_t size = kSha256Size;

  std::vector<uint8_t> run(const char* query) {
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "TLS13-KDF", query);
    EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    std::vector<OSSL_PARAM> parameters = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                          OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0)};
    const auto add = [&](const char* name, void* bytes, size_t count) {
      if (count > 0) parameters.push_back(OSSL_PARAM_construct_octet_string(name, bytes, count));
    };
    add(OSSL_KDF_PARAM_KEY, key.data(), key.size());
    add(OSSL_KDF_PARAM_SALT, salt.data(), salt.size());
    add(OSSL_KDF_PARAM_DATA, data.data(), data.size());
    add(OSSL_KDF_PARAM_LABEL, label.data(), label.size());
    std::string prefix = "tls13 ";
    add(OSSL_KDF_PARAM_PREFIX, prefix.data(), prefix.size());
    parameters.push_back(OSSL_PARAM_construct_end());
    std::vector<uint8_t> out(size);
    if (EVP_KDF_derive(context, out.data(), out.size(), parameters.data()) != 1) out.clear();
    EVP_KDF_CTX_free(context);
    return out;
  }
};

// Our provider's derivations are OpenSSL's, in all forms that a handshake has.
TEST(TlsKdf, AgreesWithOpenSsl) {
  ASSERT_NE(tls_kdf_query(), nullptr);
  const auto expect_same = [](Derivation derivation) {
    const auto expected = derivation.run("provider=default");
    EXPECT_FALSE(expected.empty());
    EXPECT_EQ(to_hex(derivation.run("provider=viaduct")), to_hex(expected));
  };
  for (const auto& [digest, size] :
       {std::pair{"SHA2-256", kSha256Size}, std::pair{"SHA256", kSha256Size}, std::pair{"SHA2-384", kSha384Size}}) {
    const std::vector<uint8_t> one(size, 1), two(size, 2);
    const int kExtract = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    expect_same({.digest = digest, .key = one, .data = two, .label = "c hs traffic", .size = size});
    expect_same({.digest = digest, .key = one, .label = "iv", .size = 12});
    expect_same({.mode = kExtract, .digest = digest, .size = size});
    expect_same({.mode = kExtract, .digest = digest, .key = one, .size = size});
    expect_same({.mode = kExtract, .digest = digest, .salt = two, .size = size});
    expect_same({.mode = kExtract, .digest = digest, .key = std::vector<uint8_t>(1120, 7), .salt = two, .size = size});
  }
}

TEST(TlsKdf, RefusesWhatTlsDoesNotAsk) {
  const std::vector<uint8_t> key(kSha256Size, 1);
  const auto refuses = [](Derivation derivation) { return derivation.run("provider=viaduct").empty(); };
  EXPECT_FALSE(refuses({.key = key}));
  EXPECT_TRUE(refuses({.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, .key = key}));
  EXPECT_TRUE(refuses({.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .key = key, .size = kSha256Size - 1}));
  EXPECT_TRUE(refuses({.digest = "MD5", .key = key}));
  EXPECT_TRUE(refuses({.key = key, .size = kSha256Size + 1}));
  EXPECT_TRUE(refuses({.key = key, .label = std::string(250, 'x')}));
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
