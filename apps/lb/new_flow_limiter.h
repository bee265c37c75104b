// How many new flows are let in: of one source prefix, and in all.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "apps/lb/configuration.h"
#include "base/siphash.h"

namespace viaduct::lb {

// Counts by the second. Prefixes share 65,536 counters by a keyed hash: two that share one share its allowance, which
// an attacker cannot aim at. One worker's.
class NewFlowLimiter {
 public:
  explicit NewFlowLimiter(const SipKey& key)
      : key_(key), prefixes_(std::make_unique<std::array<Second, kPrefixes>>()) {}

  // Whether a flow from this address (4 or 16 bytes) may begin now. One that may not uses nothing up.
  bool admit(const NewFlowLimits& limits, Bytes source, Instant now);

 private:
  static constexpr size_t kPrefixes = size_t{1} << 16;
  struct Second {
    uint32_t second = 0;
    uint32_t count = 0;

    uint32_t in(uint32_t now) const { return second == now ? count : 0; }
    void add(uint32_t now) {
      count = in(now) + 1;
      second = now;
    }
  };
  Second& of_prefix(const NewFlowLimits& limits, Bytes source);

  SipKey key_;
  std::unique_ptr<std::array<Second, kPrefixes>> prefixes_;
  Second all_;
};

}  // namespace viaduct::lb
