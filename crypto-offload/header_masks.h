// Header-protection masks by our own kernels, for providers: AES-NI and ChaCha20, eight keys at a time.
#pragma once

#include <memory>
#include <span>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/key_pool.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/schedule_cache.h"

namespace viaduct::crypto {

// One worker's. The keys that it made go before it.
class HeaderMasks {
 public:
  // capacity: places for expanded keys.
  explicit HeaderMasks(size_t capacity);

  std::unique_ptr<HeaderKey> make_key(const RawKeys& keys);
  void run(std::span<MaskJob> jobs);
  ScheduleUse use() const { return schedules_.use(); }

 private:
  class Key;
  KeyPool& pool_of(Aead aead) { return aead == Aead::kAes128Gcm ? short_keys_ : long_keys_; }
  template <size_t kRounds>
  bool run_all_lanes(Aead aead, std::span<MaskJob, aes_ni::kLanes> jobs);
  void run_mixed(std::span<MaskJob> jobs);

  ScheduleCache<aes_ni::Schedule, TaggedSlot> schedules_;
  KeyPool short_keys_;  // of 16 bytes
  KeyPool long_keys_;   // of 32
};

}  // namespace viaduct::crypto
