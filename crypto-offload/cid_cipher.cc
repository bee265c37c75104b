// AES_encrypt() and its kin are the one interface of OpenSSL whose keys are immutable while in use.
#include "crypto-offload/cid_cipher.h"

#include <openssl/aes.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/cid_fronts.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace viaduct::crypto {

struct BlockCipher::Keys {
  bool portable = false;
  cid_fronts::Code fronts = nullptr;
  aes_ni::Schedule encrypt;
  aes_ni::Schedule decrypt;
  AES_KEY portable_encrypt{};
  AES_KEY portable_decrypt{};

  ~Keys() { OPENSSL_cleanse(this, sizeof *this); }

  Block portable_front(const cid_fronts::Request& request, const uint8_t* block) const;
};

Block BlockCipher::Keys::portable_front(const cid_fronts::Request& request, const uint8_t* block) const {
  const cid_fronts::Layout& layout = request.layout;
  Block left, right;
  if (request.is_single_pass) {
    AES_decrypt(block, left.data(), &portable_decrypt);
  } else {
    for (size_t i = 0; i < sizeof(Block); ++i) {
      left[i] = block[i] & layout.left_mask[i];
      right[i] = block[layout.right_at + i] & layout.right_mask[i];
    }
    const auto mix = [&](Block& target, const Block& source, const Block& mask, size_t pass) {
      Block word;
      for (size_t i = 0; i < word.size(); ++i) word[i] = source[i] ^ layout.tails[pass][i];
      AES_encrypt(word.data(), word.data(), &portable_encrypt);
      for (size_t i = 0; i < word.size(); ++i) target[i] ^= word[i] & mask[i];
    };
    mix(left, right, layout.left_mask, 4);
    mix(right, left, layout.right_mask, 3);
    mix(left, right, layout.left_mask, 2);
    if (request.all_passes) {
      mix(right, left, layout.right_mask, 1);
      for (size_t i = layout.right_at; i < sizeof(Block); ++i) left[i] |= right[i - layout.right_at];
    }
  }
  for (size_t i = 0; i < sizeof(Block); ++i) left[i] &= request.wanted[i];
  return left;
}

namespace {

using Code = BlockCipher::Code;

// Blocks of all sizes, as many as take each way through a kind of code, and all of them that can be wanted.
bool agrees_with_portable(Code code) {
  constexpr size_t kBlocks = 19;
  std::array<uint8_t, BlockCipher::kKeySize> key;
  std::array<std::array<uint8_t, BlockCipher::kReadable>, kBlocks> texts;
  std::array<const uint8_t*, kBlocks> blocks;
  uint32_t state = 1;
  const auto next = [&state] { return static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24); };
  std::ranges::generate(key, next);
  for (size_t i = 0; i < kBlocks; ++i) {
    std::ranges::generate(texts[i], next);
    blocks[i] = texts[i].data();
  }
  const BlockCipher cipher(key, code), portable(key, Code::kPortable);
  for (size_t size = cid_fronts::kMinSize; size <= cid_fronts::kMaxSize; ++size) {
    const size_t length = std::min<size_t>(size - 4, 15);
    std::array<uint8_t, kBlocks * sizeof(Block)> out, expected;
    for (const size_t wanted : {size_t{1}, length}) {
      // Of each width that the code works in, some.
      for (const size_t count : {size_t{1}, size_t{6}, kBlocks}) {
        out.fill(0), expected.fill(0);
        cipher.decrypt_fronts(std::span(blocks).first(count), size, wanted, out.data());
        portable.decrypt_fronts(std::span(blocks).first(count), size, wanted, expected.data());
        if (out != expected) return false;
      }
    }
  }
  return true;
}

Code best_code() {
  static const Code best = [] {
    if (!aes_ni::usable()) return Code::kPortable;
    if (cid_fronts::has_vaes() && agrees_with_portable(Code::kVaes)) return Code::kVaes;
    return agrees_with_portable(Code::kAesNi) ? Code::kAesNi : Code::kPortable;
  }();
  return best;
}

}  // namespace

BlockCipher::BlockCipher(Bytes key, Code code) : keys_(std::make_unique<Keys>()) {
  if (code == Code::kBest) code = best_code();
  keys_->fronts = code == Code::kVaes ? cid_fronts::by_vaes : cid_fronts::by_aes_ni;
  keys_->portable = code == Code::kPortable;
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

void BlockCipher::decrypt_fronts(std::span<const uint8_t* const> blocks, size_t size, size_t length,
                                 uint8_t* out) const {
  if (blocks.empty()) return;
  const cid_fronts::Request request(keys_->encrypt, keys_->decrypt, size, length);
  if (!keys_->portable) return keys_->fronts(request, blocks.data(), out, blocks.size());
  for (const uint8_t* block : blocks) {
    const Block front = keys_->portable_front(request, block);
    std::memcpy(out, front.data(), front.size());
    out += front.size();
  }
}

}  // namespace viaduct::crypto
