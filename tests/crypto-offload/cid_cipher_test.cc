#include "crypto-offload/cid_cipher.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/crypto-offload/hex.h"

namespace viaduct::crypto {
namespace {

Block block_of(std::string_view hex) {
  Block block{};
  const auto bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), block.begin());
  return block;
}

class CidCipher : public testing::TestWithParam<BlockCipher::Code> {};

// FIPS 197 appendix C.1, in bursts of every size that the lanes divide differently.
TEST_P(CidCipher, EncryptsAndDecryptsBursts) {
  const BlockCipher cipher(from_hex("000102030405060708090a0b0c0d0e0f"), GetParam());
  const Block text = block_of("00112233445566778899aabbccddeeff");
  for (size_t count = 0; count < 20; ++count) {
    std::vector<Block> blocks(count, text);
    cipher.encrypt_blocks(blocks);
    for (const Block& block : blocks) EXPECT_EQ(to_hex(block), "69c4e0d86a7b0430d8cdb78070b4c55a");
    cipher.decrypt_blocks(blocks);
    for (const Block& block : blocks) EXPECT_EQ(block, text);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, CidCipher, testing::Values(BlockCipher::Code::kBest, BlockCipher::Code::kPortable),
                         [](const auto& parameter) {
                           return parameter.param == BlockCipher::Code::kBest ? "best" : "portable";
                         });

// A burst may mix keys, and keys of both kinds of code.
TEST(CidCipherBursts, KeepEachBlockToItsKey) {
  std::mt19937_64 random(1);
  std::vector<BlockCipher> best, portable;
  for (int i = 0; i < 5; ++i) {
    std::array<uint8_t, BlockCipher::kKeySize> key;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
    best.emplace_back(key);
    portable.emplace_back(key, BlockCipher::Code::kPortable);
  }
  for (size_t count = 1; count < 40; ++count) {
    std::vector<Block> texts(count), blocks(count), expected(count);
    std::vector<BlockCipher::Job> jobs(count);
    for (size_t i = 0; i < count; ++i) {
      for (uint8_t& byte : texts[i]) byte = static_cast<uint8_t>(random());
      blocks[i] = expected[i] = texts[i];
      const size_t key = random() % best.size();
      jobs[i] = {random() % 4 == 0 ? &portable[key] : &best[key], &blocks[i]};
      portable[key].encrypt_blocks({&expected[i], 1});
    }
    BlockCipher::encrypt_each(jobs);
    EXPECT_EQ(blocks, expected);
    BlockCipher::decrypt_each(jobs);
    EXPECT_EQ(blocks, texts);
  }
}

}  // namespace
}  // namespace viaduct::crypto
