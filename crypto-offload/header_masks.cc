#include "crypto-offload/header_masks.h"

#include <algorithm>

#include "crypto-offload/aes_ni_lanes.h"
#include "crypto-offload/chacha_masks.h"

namespace viaduct::crypto {
namespace {

// Lanes of one cipher that wait until there are enough of them, or no more come.
template <class Lane, size_t kLanes, void (*kRun)(const Lane*, size_t)>
class Lanes {
 public:
  void add(const Lane& lane) {
    lanes_[count_] = lane;
    if (++count_ == kLanes) flush();
  }
  void flush() {
    if (count_ > 0) kRun(lanes_, count_);
    count_ = 0;
  }

 private:
  size_t count_ = 0;
  Lane lanes_[kLanes];
};
using AesLanes = Lanes<aes_ni::Lane, aes_ni::kLanes, aes_ni::encrypt_to_masks>;
using ChaChaLanes = Lanes<chacha::Lane, chacha::kLanes, chacha::masks>;

}  // namespace

// Its raw bytes follow it, in the pool of its size.
class HeaderMasks::Key final : public HeaderKey {
 public:
  Key(Aead kind, Bytes raw) : slot_(static_cast<uint8_t>(kind)) {
    aead = kind;
    std::copy(raw.begin(), raw.end(), raw_bytes());
  }
  ~Key() override {
    OPENSSL_cleanse(raw_bytes(), key_size(aead));
    owner().schedules_.drop(slot_);
  }
  static void operator delete(void* place) { KeyPool::give_back(place); }

  const uint8_t* raw() const { return reinterpret_cast<const uint8_t*>(this) + sizeof *this; }
  const TaggedSlot& slot() const { return slot_; }
  const aes_ni::Schedule& schedule() const {
    return owner().schedules_.get(slot_,
                                  [this](aes_ni::Schedule& out) { aes_ni::expand({raw(), key_size(aead)}, out); });
  }

 private:
  uint8_t* raw_bytes() { return reinterpret_cast<uint8_t*>(this) + sizeof *this; }
  HeaderMasks& owner() const { return *static_cast<HeaderMasks*>(KeyPool::owner_of(this)); }

  mutable TaggedSlot slot_;  // with the AEAD
};

HeaderMasks::HeaderMasks(size_t capacity)
    : schedules_(capacity),
      short_keys_(sizeof(Key) + key_size(Aead::kAes128Gcm), this),
      long_keys_(sizeof(Key) + kMaxKeySize, this) {}

std::unique_ptr<HeaderKey> HeaderMasks::make_key(const RawKeys& keys) {
  const Bytes raw = Bytes(keys.header_key).first(key_size(keys.aead));
  return std::unique_ptr<HeaderKey>(new (pool_of(keys.aead).take()) Key(keys.aead, raw));
}

void HeaderMasks::run(std::span<MaskJob> jobs) {
  for (; jobs.size() >= aes_ni::kLanes; jobs = jobs.subspan(aes_ni::kLanes)) {
    const Aead aead = jobs.front().key->aead;
    const auto lanes = jobs.first<aes_ni::kLanes>();
    const bool done = aead == Aead::kAes128Gcm   ? run_all_lanes<10>(aead, lanes)
                      : aead == Aead::kAes256Gcm ? run_all_lanes<14>(aead, lanes)
                                                 : false;
    if (!done) break;
  }
  run_mixed(jobs);
}

// What bursts nearly always are: as many keys of one AES as there are lanes, all of them expanded. False for others.
template <size_t kRounds>
VIADUCT_AES bool HeaderMasks::run_all_lanes(Aead aead, std::span<MaskJob, aes_ni::kLanes> jobs) {
  aes_ni::Lane lanes[aes_ni::kLanes];
#pragma GCC unroll 8
  for (size_t i = 0; i < aes_ni::kLanes; ++i) {
    const TaggedSlot& slot = static_cast<const Key*>(jobs[i].key)->slot();
    if (!slot.is_expanded_with(static_cast<uint8_t>(aead))) return false;
    lanes[i] = {&schedules_.get(slot), jobs[i].sample, jobs[i].mask.data()};
  }
  aes_ni::mask_lanes<aes_ni::kLanes, kRounds>(lanes);
  return true;
}

void HeaderMasks::run_mixed(std::span<MaskJob> jobs) {
  AesLanes aes_128;
  AesLanes aes_256;
  ChaChaLanes chacha;
  for (MaskJob& job : jobs) {
    const auto& key = *static_cast<const Key*>(job.key);
    if (key.aead == Aead::kChaCha20Poly1305) {
      chacha.add({key.raw(), job.sample, job.mask.data()});
      continue;
    }
    if (!key.slot().is_expanded()) [[unlikely]] {  // which may take another key's place
      aes_128.flush();
      aes_256.flush();
    }
    (key.aead == Aead::kAes128Gcm ? aes_128 : aes_256).add({&key.schedule(), job.sample, job.mask.data()});
  }
  aes_128.flush();
  aes_256.flush();
  chacha.flush();
}

}  // namespace viaduct::crypto
