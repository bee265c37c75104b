#include "crypto-offload/cid_cipher.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>

#include "crypto-offload/aes_ni.h"
#include "tests/crypto-offload/hex.h"
#include "tests/crypto-offload/vaes_interpreter.h"

namespace viaduct::crypto {
namespace {

Block block_of(std::string_view hex) {
  Block block{};
  const auto bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), block.begin());
  return block;
}

std::vector<const uint8_t*> places_of(std::span<const Block> blocks) {
  std::vector<const uint8_t*> places;
  for (const Block& block : blocks) places.push_back(block.data());
  return places;
}

class CidCipher : public testing::TestWithParam<BlockCipher::Code> {};

// FIPS 197 appendix C.1, in bursts of every size that the lanes divide differently; in place, too.
TEST_P(CidCipher, EncryptsAndDecryptsBursts) {
  const BlockCipher cipher(from_hex("000102030405060708090a0b0c0d0e0f"), GetParam());
  const Block text = block_of("00112233445566778899aabbccddeeff");
  for (size_t count = 0; count < 20; ++count) {
    std::vector<Block> blocks(count, text), decrypted(count);
    cipher.encrypt(places_of(blocks), blocks.data());
    for (const Block& block : blocks) EXPECT_EQ(to_hex(block), "69c4e0d86a7b0430d8cdb78070b4c55a");
    cipher.decrypt(places_of(blocks), decrypted.data());
    for (const Block& block : decrypted) EXPECT_EQ(block, text);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, CidCipher, testing::Values(BlockCipher::Code::kBest, BlockCipher::Code::kPortable),
                         [](const auto& parameter) {
                           return parameter.param == BlockCipher::Code::kBest ? "best" : "portable";
                         });

// In bursts of every size, each block keeps to its place: both kinds of code say the same of blocks that differ.
TEST(CidCipherBursts, KeepBlocksInOrder) {
  std::mt19937_64 random(1);
  std::array<uint8_t, BlockCipher::kKeySize> key;
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
  const BlockCipher best(key), portable(key, BlockCipher::Code::kPortable);
  for (size_t count = 1; count < 40; ++count) {
    std::vector<Block> texts(count), by_best(count), by_portable(count);
    for (Block& text : texts)
      for (uint8_t& byte : text) byte = static_cast<uint8_t>(random());
    best.decrypt(places_of(texts), by_best.data());
    portable.decrypt(places_of(texts), by_portable.data());
    EXPECT_EQ(by_best, by_portable);
  }
}

// Fronts by each kind of code: those of blocks of every size, as much of them as there can be of a server id, in bursts
// of every size, whatever follows the blocks.
class CidFronts : public testing::TestWithParam<BlockCipher::Code> {
 protected:
  void SetUp() override {
    if (GetParam() == BlockCipher::Code::kVaes && !run_vaes_here()) GTEST_SKIP() << "this CPU has no AVX-512";
    if (GetParam() == BlockCipher::Code::kAesNi && !aes_ni::usable()) GTEST_SKIP() << "this CPU has no AES-NI";
  }
};

TEST_P(CidFronts, AreThoseOfPortableCode) {
  constexpr size_t kMost = 64;
  std::mt19937_64 random(2);
  std::array<uint8_t, BlockCipher::kKeySize> key;
  for (size_t size = 5; size <= 19; ++size) {
    for (size_t length = 1; length <= 15 && length + 4 <= size; ++length) {
      for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
      const BlockCipher cipher(key, GetParam()), portable(key, BlockCipher::Code::kPortable);
      std::vector<std::array<uint8_t, BlockCipher::kReadable>> texts(kMost);
      std::vector<const uint8_t*> places;
      for (auto& text : texts) {
        for (uint8_t& byte : text) byte = static_cast<uint8_t>(random());
        places.push_back(text.data());
      }
      std::vector<Block> expected(kMost);
      portable.decrypt_fronts(places, size, length, expected.front().data());
      for (size_t count = 0; count <= kMost; ++count) {
        std::vector<Block> out(kMost + 1);
        cipher.decrypt_fronts(std::span(places).first(count), size, length, out.front().data());
        ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<ptrdiff_t>(count), expected.begin()))
            << length << " bytes of " << size << ", " << count << " blocks";
        ASSERT_EQ(out[count], Block{}) << "nothing is written behind the last";
      }
    }
  }
}

std::string name_of(const testing::TestParamInfo<BlockCipher::Code>& code) {
  constexpr const char* kNames[] = {"best", "portable", "aesni", "vaes"};
  return kNames[static_cast<size_t>(code.param)];
}
INSTANTIATE_TEST_SUITE_P(Codes, CidFronts,
                         testing::Values(BlockCipher::Code::kBest, BlockCipher::Code::kAesNi, BlockCipher::Code::kVaes),
                         name_of);

}  // namespace
}  // namespace viaduct::crypto
