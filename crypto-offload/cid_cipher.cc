// AES_encrypt() and its kin are the one interface of OpenSSL whose keys are immutable while in use.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto-offload/cid_cipher.h"

#include <openssl/aes.h>
#include <openssl/crypto.h>

#include "crypto-offload/aes_ni.h"

namespace viaduct::crypto {

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

}  // namespace viaduct::crypto
