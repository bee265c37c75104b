#include "crypto-offload/header_masks.h"

#include <algorithm>

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
  Key(Aead kind, Bytes raw) {
    aead = kind;
    std::copy(raw.begin(), raw.end(), raw_bytes());
  }
  ~Key() override {
    OPENSSL_cleanse(raw_bytes(), key_size(aead));
    owner().schedules_.drop(slot_);
  }
  static void operator delete(void* place) { KeyPool::give_back(place); }

  const uint8_t* raw() const { return reinterpret_cast<const uint8_t*>(this) + sizeof *this; }
  const CachedSlot& slot() const { return slot_; }
  const aes_ni::Schedule& schedule() const {
    return owner().schedules_.get(slot_,
                                  [this](aes_ni::Schedule& out) { aes_ni::expand({raw(), key_size(aead)}, out); });
  }

 private:
  uint8_t* raw_bytes() { return reinterpret_cast<uint8_t*>(this) + sizeof *this; }
  HeaderMasks& owner() const { return *static_cast<HeaderMasks*>(KeyPool::owner_of(this)); }

  mutable CachedSlot slot_;
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
  while (jobs.size() >= aes_ni::kLanes && run_all_lanes(jobs.first<aes_ni::kLanes>())) {
    jobs = jobs.subspan(aes_ni::kLanes);
  }
  run_mixed(jobs);
}

// What bursts nearly always are: as many keys of one AES as there are lanes, all of them expanded. False for others.
bool HeaderMasks::run_all_lanes(std::span<MaskJob, aes_ni::kLanes> jobs) {
  const Aead aead = jobs.front().key->aead;
  if (aead == Aead::kChaCha20Poly1305) return false;
  aes_ni::Lane lanes[aes_ni::kLanes];
  aes_ni::Lane* lane = lanes;
  for (MaskJob& job : jobs) {
    const auto& key = *static_cast<const Key*>(job.key);
    if (key.aead != aead || !key.slot().is_expanded()) return false;
    *lane++ = {&schedules_.get(key.slot()), job.sample, job.mask.data()};
  }
  aes_ni::encrypt_to_masks(lanes, aes_ni::kLanes);
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
