// Header-protection masks by our own kernels, for providers: AES-NI and ChaCha20, eight keys at a time.
#pragma once

#include <memory>
#include <span>

#include "crypto-offload/aes_ni.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/schedule_cache.h"

namespace viaduct::crypto {

// One worker's. The keys that it made go before it.
class HeaderMasks {
 public:
  // capacity: places for expanded keys.
  explicit HeaderMasks(size_t capacity) : schedules_(capacity) {}

  std::unique_ptr<HeaderKey> make_key(const RawKeys& keys);
  void run(std::span<MaskJob> jobs);
  ScheduleUse use() const { return schedules_.use(); }

 private:
  class Key;
  bool run_all_lanes(std::span<MaskJob, aes_ni::kLanes> jobs);
  void run_mixed(std::span<MaskJob> jobs);

  ScheduleCache<aes_ni::Schedule> schedules_;
};

}  // namespace viaduct::crypto
