#include "apps/load/unauthenticated_protector.h"

#include <immintrin.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/nonce.h"

#define VIADUCT_AES [[gnu::target("aes,sse4.1")]]

namespace viaduct::load {
namespace {

using crypto::aes_ni::kBlockSize;
using crypto::aes_ni::Schedule;

constexpr size_t kWide = 8;  // blocks at a time

VIADUCT_AES __m128i counter_block(const crypto::Nonce& nonce, uint32_t counter) {
  alignas(16) uint8_t block[kBlockSize];
  std::memcpy(block, nonce.data(), nonce.size());
  counter = __builtin_bswap32(counter);
  std::memcpy(block + nonce.size(), &counter, sizeof counter);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(block));
}

VIADUCT_AES void next_blocks(const Schedule& schedule, const crypto::Nonce& nonce, uint32_t counter,
                             __m128i (&blocks)[kWide]) {
  const auto key = [&](size_t round) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(schedule.round_keys[round].data()));
  };
  const __m128i first = key(0);
  for (uint32_t i = 0; i < kWide; ++i) blocks[i] = _mm_xor_si128(counter_block(nonce, counter + i), first);
  for (size_t round = 1; round < schedule.rounds; ++round) {
    const __m128i round_key = key(round);
    for (__m128i& block : blocks) block = _mm_aesenc_si128(block, round_key);
  }
  const __m128i last = key(schedule.rounds);
  for (__m128i& block : blocks) block = _mm_aesenclast_si128(block, last);
}

// GCM's encryption of the text is counter mode from 2 on (NIST SP 800-38D section 7.1).
VIADUCT_AES void apply_key_stream(const Schedule& schedule, const crypto::Nonce& nonce, MutableBytes data) {
  uint32_t counter = 2;
  size_t at = 0;
  __m128i blocks[kWide];
  for (; at + sizeof blocks <= data.size(); at += sizeof blocks, counter += kWide) {
    next_blocks(schedule, nonce, counter, blocks);
    for (size_t i = 0; i < kWide; ++i) {
      auto* const place = reinterpret_cast<__m128i*>(data.data() + at + i * kBlockSize);
      _mm_storeu_si128(place, _mm_xor_si128(_mm_loadu_si128(place), blocks[i]));
    }
  }
  if (at == data.size()) return;
  next_blocks(schedule, nonce, counter, blocks);
  const auto* const stream = reinterpret_cast<const uint8_t*>(blocks);
  for (size_t i = 0; at < data.size(); ++i, ++at) data[at] ^= stream[i];
}

class Key final : public crypto::PacketKey {
 public:
  Key(std::unique_ptr<crypto::PacketKey> real, const crypto::RawKeys& keys) : real_(std::move(real)), iv_(keys.iv) {
    aead = real_->aead;
    if (is_gcm()) crypto::aes_ni::expand({keys.key.data(), key_size(aead)}, schedule_);
  }
  bool is_gcm() const { return aead != crypto::Aead::kChaCha20Poly1305; }
  const crypto::PacketKey* real() const { return real_.get(); }
  void open(crypto::OpenJob& job) const {
    job.ok = job.data.size() >= crypto::kTagSize;
    if (!job.ok) return;
    apply_key_stream(schedule_, crypto::make_nonce(iv_, job.packet_number),
                     job.data.first(job.data.size() - crypto::kTagSize));
  }

 private:
  std::unique_ptr<crypto::PacketKey> real_;
  crypto::Nonce iv_;
  Schedule schedule_;
};

class Protector final : public crypto::PacketProtector {
 public:
  explicit Protector(std::unique_ptr<crypto::PacketProtector> real) : real_(std::move(real)) {}

  std::string_view name() const override { return "without-authentication"; }
  std::unique_ptr<crypto::PacketKey> make_packet_key(const crypto::RawKeys& keys) override {
    return std::make_unique<Key>(real_->make_packet_key(keys), keys);
  }
  std::unique_ptr<crypto::HeaderKey> make_header_key(const crypto::RawKeys& keys) override {
    return real_->make_header_key(keys);
  }
  void seal(std::span<crypto::SealJob> jobs) override {
    for (crypto::SealJob& job : jobs) job.key = static_cast<const Key*>(job.key)->real();
    real_->seal(jobs);
  }
  void open(std::span<crypto::OpenJob> jobs) override {
    for (crypto::OpenJob& job : jobs) {
      const auto& key = static_cast<const Key&>(*job.key);
      if (key.is_gcm()) {
        key.open(job);
      } else {
        job.key = key.real();
        real_->open({&job, 1});
      }
    }
  }
  void header_masks(std::span<crypto::MaskJob> jobs) override { real_->header_masks(jobs); }
  crypto::ScheduleUse schedule_use() const override { return real_->schedule_use(); }
  crypto::ScheduleUse header_schedule_use() const override { return real_->header_schedule_use(); }

 private:
  std::unique_ptr<crypto::PacketProtector> real_;
};

}  // namespace

std::unique_ptr<crypto::PacketProtector> without_authentication(std::unique_ptr<crypto::PacketProtector> real) {
  if (!crypto::aes_ni::usable()) return real;
  return std::make_unique<Protector>(std::move(real));
}

}  // namespace viaduct::load
