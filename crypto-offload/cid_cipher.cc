// AES_encrypt() and its kin are the one interface of OpenSSL whose keys are immutable while in use.
#include "crypto-offload/cid_cipher.h"

#include <openssl/aes.h>
#include <openssl/crypto.h>

#include <array>

#include "crypto-offload/aes_ni.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace viaduct::crypto {

namespace {

// By the size of a block.
constexpr auto kLayouts = [] {
  std::array<aes_ni::HalvesLayout, 20> all{};
  for (size_t size = 1; size < all.size(); ++size) {
    aes_ni::HalvesLayout& layout = all[size];
    const size_t half = (size + 1) / 2;
    for (size_t i = 0; i < half; ++i) layout.left_mask[i] = layout.right_mask[i] = 0xff;
    if (size % 2 != 0) {
      layout.left_mask[half - 1] = 0xf0;
      layout.right_mask[0] = 0x0f;
    }
    for (size_t pass = 1; pass < layout.tails.size(); ++pass) {
      layout.tails[pass][14] = static_cast<uint8_t>(size);
      layout.tails[pass][15] = static_cast<uint8_t>(pass);
    }
    layout.right_at = static_cast<uint8_t>(size - half);
  }
  return all;
}();

}  // namespace

struct BlockCipher::Keys {
  bool portable = false;
  aes_ni::Schedule encrypt;
  aes_ni::Schedule decrypt;
  AES_KEY portable_encrypt{};
  AES_KEY portable_decrypt{};

  ~Keys() { OPENSSL_cleanse(this, sizeof *this); }
};

BlockCipher::BlockCipher(Bytes key, Code code) : keys_(std::make_unique<Keys>()) {
  keys_->portable = code == Code::kPortable || !aes_ni::usable();
  if (keys_->portable) {
    AES_set_encrypt_key(key.data(), 8 * kKeySize, &keys_->portable_encrypt);
    AES_set_decrypt_key(key.data(), 8 * kKeySize, &keys_->portable_decrypt);
  } else {
    aes_ni::expand(key, keys_->encrypt);
    aes_ni::invert(keys_->encrypt, keys_->decrypt);
  }
}

BlockCipher::~BlockCipher() = default;
BlockCipher::BlockCipher(BlockCipher&&) noexcept = default;
BlockCipher& BlockCipher::operator=(BlockCipher&&) noexcept = default;

void BlockCipher::encrypt(std::span<const uint8_t* const> blocks, Block* out) const {
  if (blocks.empty()) return;
  if (!keys_->portable) return aes_ni::encrypt(keys_->encrypt, blocks.data(), out->data(), blocks.size());
  for (const uint8_t* block : blocks) AES_encrypt(block, (out++)->data(), &keys_->portable_encrypt);
}

void BlockCipher::decrypt(std::span<const uint8_t* const> blocks, Block* out) const {
  if (blocks.empty()) return;
  if (!keys_->portable) return aes_ni::decrypt(keys_->decrypt, blocks.data(), out->data(), blocks.size());
  for (const uint8_t* block : blocks) AES_decrypt(block, (out++)->data(), &keys_->portable_decrypt);
}

void BlockCipher::unmix(std::span<const uint8_t* const> blocks, size_t size, bool all_passes, Halves* out) const {
  if (blocks.empty()) return;
  const aes_ni::HalvesLayout& layout = kLayouts[size];
  if (!keys_->portable)
    return aes_ni::unmix(keys_->encrypt, layout, blocks.data(), out->left.data(), blocks.size(), all_passes);
  for (const uint8_t* block : blocks) {
    Halves& halves = *out++;
    for (size_t i = 0; i < sizeof(Block); ++i) {
      halves.left[i] = block[i] & layout.left_mask[i];
      halves.right[i] = block[layout.right_at + i] & layout.right_mask[i];
    }
    const auto mix = [&](Block& target, const Block& source, const Block& mask, size_t pass) {
      Block word;
      for (size_t i = 0; i < word.size(); ++i) word[i] = source[i] ^ layout.tails[pass][i];
      AES_encrypt(word.data(), word.data(), &keys_->portable_encrypt);
      for (size_t i = 0; i < word.size(); ++i) target[i] ^= word[i] & mask[i];
    };
    mix(halves.left, halves.right, layout.left_mask, 4);
    mix(halves.right, halves.left, layout.right_mask, 3);
    mix(halves.left, halves.right, layout.left_mask, 2);
    if (all_passes) mix(halves.right, halves.left, layout.right_mask, 1);
  }
}

}  // namespace viaduct::crypto
