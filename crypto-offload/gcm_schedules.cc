#include "crypto-offload/gcm_schedules.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace viaduct::crypto {

GcmSchedules::GcmSchedules(size_t capacity) {
  use_.capacity = std::clamp<size_t>(capacity, 1, GcmKey::kNowhere - 1);
  slots_ = std::make_unique_for_overwrite<gcm_key_data[]>(use_.capacity);
  owners_.resize(use_.capacity);
  recently_used_.resize(use_.capacity);
  vacant_.reserve(use_.capacity);
}

void GcmSchedules::drop(GcmKey& key) {
  OPENSSL_cleanse(key.raw.data(), key.raw.size());
  if (key.slot == GcmKey::kNowhere) return;
  vacant_.push_back(key.slot);
  vacate(key.slot);
}

void GcmSchedules::expand(GcmKey& key) {
  const uint32_t slot = take_slot();
  key.expand(key.raw.data(), &slots_[slot]);
  key.slot = slot;
  owners_[slot] = &key;
  ++use_.expanded;
  use_.high_water = std::max(use_.high_water, ++use_.used);
}

// A vacated slot first, because it is warm; then one that was never used; then somebody's.
uint32_t GcmSchedules::take_slot() {
  if (!vacant_.empty()) {
    const uint32_t slot = vacant_.back();
    vacant_.pop_back();
    return slot;
  }
  if (use_.used < use_.capacity) return static_cast<uint32_t>(use_.used);
  while (recently_used_[hand_] != 0) {
    recently_used_[hand_] = 0;
    hand_ = hand_ + 1 == use_.capacity ? 0 : hand_ + 1;
  }
  const uint32_t slot = hand_;
  hand_ = hand_ + 1 == use_.capacity ? 0 : hand_ + 1;
  vacate(slot);
  ++use_.evicted;
  return slot;
}

void GcmSchedules::vacate(uint32_t slot) {
  OPENSSL_cleanse(&slots_[slot], sizeof slots_[slot]);
  owners_[slot]->slot = GcmKey::kNowhere;
  owners_[slot] = nullptr;
  recently_used_[slot] = 0;
  --use_.used;
}

}  // namespace viaduct::crypto
