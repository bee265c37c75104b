// Expanded keys, as many as a worker has room for.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/cache_line.h"
#include "base/pool_use.h"
#include "base/worker_stats.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

// Where a key's expansion is, if it is anywhere; part of the key. Three bytes, which fit beside the key's other ones.
class CachedSlot {
 public:
  static constexpr uint32_t kNowhere = 0xffffff;

  bool is_expanded() const { return slot() != kNowhere; }
  uint32_t slot() const { return bytes_[0] | uint32_t{bytes_[1]} << 8 | uint32_t{bytes_[2]} << 16; }
  void set(uint32_t slot) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<uint8_t>(slot >> (8 * i));
  }

 private:
  std::array<uint8_t, 3> bytes_{0xff, 0xff, 0xff};
};

// The same in four bytes with a tag of the key's, so that both are read and tested at once.
class TaggedSlot {
 public:
  static constexpr uint32_t kTagBits = 8;
  static constexpr uint32_t kNotExpanded = uint32_t{1} << 31;  // set in the words of no others

  explicit TaggedSlot(uint8_t tag) : word_(CachedSlot::kNowhere << kTagBits | tag) {}
  bool is_expanded() const { return word_ < kNotExpanded; }
  bool is_expanded_with(uint8_t tag) const { return static_cast<uint8_t>(word_) == tag && is_expanded(); }
  uint32_t slot() const { return word_ >> kTagBits; }
  void set(uint32_t slot) { word_ = slot << kTagBits | (word_ & 0xff); }

 private:
  uint32_t word_;
};

// An expanded key takes up to 1,264 bytes, and making one costs about as much as a small packet. So the keys in use are
// kept expanded, in a bounded cache; one that finds no place takes that of one not used lately (the clock algorithm).
// Wiped when it leaves. One thread, but use() is for all.
template <class Schedule, class Slot = CachedSlot>
class ScheduleCache {
 public:
  explicit ScheduleCache(size_t capacity)
      : slots_(std::make_unique_for_overwrite<Schedule[]>(within_bounds(capacity))),
        owners_(within_bounds(capacity)),
        recently_used_(std::make_unique<uint8_t[]>(owners_.size())),
        capacity_(static_cast<uint32_t>(owners_.size())) {
    vacant_.reserve(capacity_);
  }
  ScheduleCache(const ScheduleCache&) = delete;
  ScheduleCache& operator=(const ScheduleCache&) = delete;

  // The expansion of a key; where there is none, expand(Schedule&) makes it. A call that makes one may end the life of
  // any other.
  template <class Expand>
  const Schedule& get(Slot& key, Expand&& expand) {
    if (!key.is_expanded()) [[unlikely]] {
      const uint32_t slot = take_slot();
      expand(slots_[slot]);
      key.set(slot);
      owners_[slot] = &key;
      expanded_.add(1);
      use_.count_taken();
    }
    return get(key);
  }
  // The same for a key that has one.
  const Schedule& get(const Slot& key) {
    const uint32_t slot = key.slot();
    recently_used_.get()[slot] = 1;  // without looking, which would cost a branch
    return slots_.get()[slot];
  }
  // Fetches the first `bytes` of a key's expansion into the CPU's cache, if there is one.
  void prefetch(const Slot& key, size_t bytes) const {
    if (key.is_expanded()) prefetch_bytes(&slots_[key.slot()], bytes);
  }
  // Wipes the expansion of a key that goes.
  void drop(const Slot& key) {
    if (!key.is_expanded()) return;
    vacant_.push_back(key.slot());
    vacate(key.slot());
  }

  ScheduleUse use() const { return {capacity_, use_.used(), use_.high_water(), expanded_.value(), use_.refused()}; }

 private:
  static size_t within_bounds(size_t capacity) { return std::clamp<size_t>(capacity, 1, CachedSlot::kNowhere / 2); }
  // A vacated slot first, because it is warm; then one that was never used; then somebody's.
  uint32_t take_slot() {
    if (!vacant_.empty()) {
      const uint32_t slot = vacant_.back();
      vacant_.pop_back();
      return slot;
    }
    if (use_.used() < capacity_) return use_.used();
    while (recently_used_[hand_] != 0) {
      recently_used_[hand_] = 0;
      hand_ = hand_ + 1 == capacity_ ? 0 : hand_ + 1;
    }
    const uint32_t slot = hand_;
    hand_ = hand_ + 1 == capacity_ ? 0 : hand_ + 1;
    vacate(slot);
    use_.count_refused();
    return slot;
  }
  void vacate(uint32_t slot) {
    OPENSSL_cleanse(&slots_[slot], sizeof slots_[slot]);
    owners_[slot]->set(CachedSlot::kNowhere);
    owners_[slot] = nullptr;
    recently_used_[slot] = 0;
    use_.count_returned();
  }

  // Left as it comes: memory that no key has used is never touched.
  std::unique_ptr<Schedule[]> slots_;
  std::vector<Slot*> owners_;
  std::unique_ptr<uint8_t[]> recently_used_;
  std::vector<uint32_t> vacant_;
  uint32_t hand_ = 0;
  const uint32_t capacity_;
  PoolUse use_;  // refused: evictions
  Counter expanded_;
};

}  // namespace viaduct::crypto
