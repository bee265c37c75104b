#include "apps/load/unauthenticated_protector.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace viaduct::load {
namespace {

using crypto::Aead;

crypto::RawKeys keys_of(Aead aead) {
  crypto::RawKeys keys;
  keys.aead = aead;
  for (size_t i = 0; i < keys.key.size(); ++i) keys.key[i] = static_cast<uint8_t>(i * 7);
  for (size_t i = 0; i < keys.iv.size(); ++i) keys.iv[i] = static_cast<uint8_t>(200 - i);
  return keys;
}

class Unauthenticated : public testing::TestWithParam<Aead> {};

// What a real protector sealed is opened, for all lengths around the width of the key stream.
TEST_P(Unauthenticated, OpensWhatWasSealed) {
  auto real = crypto::make_protector();
  auto fast = without_authentication(crypto::make_protector());
  const auto seal_key = real->make_packet_key(keys_of(GetParam()));
  const auto open_key = fast->make_packet_key(keys_of(GetParam()));
  const std::vector<uint8_t> header(20, 3);
  for (size_t size = 1; size < 300; ++size) {
    std::vector<uint8_t> text(size);
    std::iota(text.begin(), text.end(), uint8_t{1});
    std::vector<uint8_t> sealed(size + crypto::kTagSize);
    crypto::SealJob seal{.key = seal_key.get(),
                         .packet_number = 70'000 + size,
                         .associated_data = header,
                         .in = {Bytes(text)},
                         .out = sealed.data()};
    real->seal({&seal, 1});
    crypto::OpenJob open{
        .key = open_key.get(), .packet_number = 70'000 + size, .associated_data = header, .data = sealed};
    fast->open({&open, 1});
    ASSERT_TRUE(open.ok);
    sealed.resize(size);
    ASSERT_EQ(sealed, text) << size;
  }
}

TEST_P(Unauthenticated, SealsWhatOthersOpen) {
  auto real = crypto::make_protector();
  auto fast = without_authentication(crypto::make_protector());
  const auto seal_key = fast->make_packet_key(keys_of(GetParam()));
  const auto open_key = real->make_packet_key(keys_of(GetParam()));
  const std::vector<uint8_t> text(50, 'x');
  std::vector<uint8_t> sealed(text.size() + crypto::kTagSize);
  crypto::SealJob seal{
      .key = seal_key.get(), .packet_number = 1, .associated_data = {}, .in = {Bytes(text)}, .out = sealed.data()};
  fast->seal({&seal, 1});
  crypto::OpenJob open{.key = open_key.get(), .packet_number = 1, .associated_data = {}, .data = sealed};
  real->open({&open, 1});
  EXPECT_TRUE(open.ok);
}

INSTANTIATE_TEST_SUITE_P(Aeads, Unauthenticated,
                         testing::Values(Aead::kAes128Gcm, Aead::kAes256Gcm, Aead::kChaCha20Poly1305));

TEST(UnauthenticatedProtector, RefusesWhatHasNoTag) {
  auto fast = without_authentication(crypto::make_protector());
  const auto key = fast->make_packet_key(keys_of(Aead::kAes128Gcm));
  std::vector<uint8_t> data(crypto::kTagSize - 1);
  crypto::OpenJob open{.key = key.get(), .packet_number = 1, .associated_data = {}, .data = data};
  fast->open({&open, 1});
  EXPECT_FALSE(open.ok);
}

}  // namespace
}  // namespace viaduct::load
