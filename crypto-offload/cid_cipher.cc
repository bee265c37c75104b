// AES_encrypt() and its kin are the one interface of OpenSSL whose keys are immutable while in use.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto-offload/cid_cipher.h"

#include <openssl/aes.h>
#include <openssl/crypto.h>

#include <array>

#include "crypto-offload/aes_ni.h"

namespace viaduct::crypto {

namespace {

// The bits of the halves of a block, by its size.
struct Masks {
  Block left{};
  Block right{};
};
constexpr auto kMasks = [] {
  std::array<Masks, 20> all{};
  for (size_t size = 1; size < all.size(); ++size) {
    const size_t half = (size + 1) / 2;
    for (size_t i = 0; i < half; ++i) all[size].left[i] = all[size].right[i] = 0xff;
    if (size % 2 == 0) continue;
    all[size].left[half - 1] = 0xf0;
    all[size].right[0] = 0x0f;
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

// Hands `count` jobs to AES-NI, as many at a time as there are lanes; a portable one is done on the spot.
template <bool kEncrypt, class JobAt>
void BlockCipher::run(size_t count, JobAt job_at) {
  aes_ni::Lane lanes[aes_ni::kLanes];
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    const Job job = job_at(i);
    const Keys& keys = *job.cipher->keys_;
    uint8_t* block = job.block->data();
    if (keys.portable) {
      kEncrypt ? AES_encrypt(block, block, &keys.portable_encrypt) : AES_decrypt(block, block, &keys.portable_decrypt);
      continue;
    }
    lanes[used++] = {kEncrypt ? &keys.encrypt : &keys.decrypt, block, block};
    if (used < aes_ni::kLanes) continue;
    kEncrypt ? aes_ni::encrypt(lanes, used) : aes_ni::decrypt(lanes, used);
    used = 0;
  }
  if (used > 0) kEncrypt ? aes_ni::encrypt(lanes, used) : aes_ni::decrypt(lanes, used);
}

void BlockCipher::encrypt_blocks(std::span<Block> blocks) const {
  run<true>(blocks.size(), [&](size_t i) { return Job{this, &blocks[i]}; });
}

void BlockCipher::decrypt_blocks(std::span<Block> blocks) const {
  run<false>(blocks.size(), [&](size_t i) { return Job{this, &blocks[i]}; });
}

void BlockCipher::encrypt_each(std::span<const Job> jobs) {
  run<true>(jobs.size(), [&](size_t i) { return jobs[i]; });
}

void BlockCipher::decrypt_each(std::span<const Job> jobs) {
  run<false>(jobs.size(), [&](size_t i) { return jobs[i]; });
}

// One after the other, without AES-NI.
void BlockCipher::unmix(const HalvesJob& job, bool all_passes) {
  const Masks& masks = kMasks[job.size];
  Halves& halves = *job.halves;
  const auto mix = [&job](Block& target, const Block& source, const Block& mask, uint8_t pass) {
    Block word = source;
    word[14] = job.size;
    word[15] = pass;
    AES_encrypt(word.data(), word.data(), &job.cipher->keys_->portable_encrypt);
    for (size_t i = 0; i < word.size(); ++i) target[i] ^= word[i] & mask[i];
  };
  mix(halves.left, halves.right, masks.left, 4);
  mix(halves.right, halves.left, masks.right, 3);
  mix(halves.left, halves.right, masks.left, 2);
  if (all_passes) mix(halves.right, halves.left, masks.right, 1);
}

void BlockCipher::unmix_each(std::span<const HalvesJob> jobs, bool all_passes) {
  aes_ni::HalvesLane lanes[aes_ni::kLanes];
  size_t used = 0;
  for (const HalvesJob& job : jobs) {
    const Keys& keys = *job.cipher->keys_;
    if (keys.portable) {
      unmix(job, all_passes);
      continue;
    }
    const Masks& masks = kMasks[job.size];
    lanes[used++] = {&keys.encrypt,     job.halves->left.data(), job.halves->right.data(),
                     masks.left.data(), masks.right.data(),      job.size};
    if (used < aes_ni::kLanes) continue;
    aes_ni::unmix(lanes, used, all_passes);
    used = 0;
  }
  if (used > 0) aes_ni::unmix(lanes, used, all_passes);
}

}  // namespace viaduct::crypto
