// Expanded GCM keys, as many as a worker has room for.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

// What a connection keeps of a key: 16 or 32 bytes, and where its expansion is, if it is anywhere.
struct GcmKey {
  static constexpr uint32_t kNowhere = UINT32_MAX;

  std::array<uint8_t, kMaxKeySize> raw{};
  aes_gcm_pre_t expand = nullptr;
  uint32_t slot = kNowhere;
};

// An expanded key takes 1,264 bytes, and making one costs about as much as a small packet. So the keys in use are
// kept expanded, in a bounded cache; one that finds no place takes that of one not used lately (the clock
// algorithm). Wiped when it leaves. One thread.
class GcmSchedules {
 public:
  explicit GcmSchedules(size_t capacity);
  GcmSchedules(const GcmSchedules&) = delete;
  GcmSchedules& operator=(const GcmSchedules&) = delete;

  // The expansion of a key, made where there is none. Valid until the next call.
  const gcm_key_data& get(GcmKey& key) {
    if (key.slot == GcmKey::kNowhere) [[unlikely]] {
      expand(key);
    }
    recently_used_[key.slot] = 1;
    return slots_[key.slot];
  }
  // Fetches a key's expansion into the CPU's cache, if there is one.
  void prefetch(const GcmKey& key) const {
    static constexpr size_t kLine = 64;
    static constexpr size_t kLines = 8;  // round keys and the powers of the hash key that a small packet needs
    if (key.slot == GcmKey::kNowhere) return;
    const auto* first = reinterpret_cast<const uint8_t*>(&slots_[key.slot]);
    for (size_t line = 0; line < kLines; ++line) __builtin_prefetch(first + line * kLine);
  }
  // Wipes the expansion of a key that goes.
  void drop(GcmKey& key);

  const ScheduleUse& use() const { return use_; }

 private:
  void expand(GcmKey& key);
  uint32_t take_slot();
  void vacate(uint32_t slot);

  // Left as it comes: memory that no key has used is never touched.
  std::unique_ptr<gcm_key_data[]> slots_;
  std::vector<GcmKey*> owners_;
  std::vector<uint8_t> recently_used_;
  std::vector<uint32_t> vacant_;
  uint32_t hand_ = 0;
  ScheduleUse use_;
};

}  // namespace viaduct::crypto
