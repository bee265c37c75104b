// The limit that everything is compared with: ipsec-mb's direct call, contiguous, out of place, one key per packet.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crypto-offload/packet_protector.h"

namespace viaduct::perf {

class BareCipher {
 public:
  // One key for each of raw.
  explicit BareCipher(const std::vector<crypto::RawKeys>& raw);

  void seal(size_t key, uint8_t* out, const uint8_t* in, size_t size, const uint8_t* aad, size_t aad_size);
  // In place; the tag that was computed is left unread.
  void open(size_t key, uint8_t* data, size_t size, const uint8_t* aad, size_t aad_size);

  // Header-protection masks of up to kBurst samples: in one call where there is one key, one call each elsewhere. 5
  // bytes each at out[i].
  void masks(std::span<const uint32_t> keys, const uint8_t* const* samples, uint8_t* const* out);

  static std::string version();

 private:
  struct ManagerFree {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
  };
  struct alignas(16) HeaderSchedule {
    std::array<uint8_t, size_t{15} * 16> round_keys;
  };

  void masks(const crypto::RawKeys& raw, const HeaderSchedule& schedule, const uint8_t* const* samples,
             uint8_t* const* out, size_t count);

  std::unique_ptr<IMB_MGR, ManagerFree> manager_;
  const std::vector<crypto::RawKeys>& raw_;
  std::unique_ptr<gcm_key_data[]> gcm_;
  std::vector<HeaderSchedule> header_;
  gcm_context_data gcm_context_{};
  chacha20_poly1305_context_data chacha_context_{};
};

}  // namespace viaduct::perf
