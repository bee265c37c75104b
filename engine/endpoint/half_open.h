// How many handshakes are under way from each part of the Internet, so that no part can have them all.
#pragma once

#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/siphash.h"

namespace viaduct::quic {

// Counts for prefixes: 24 bits of IPv4, 56 of IPv6, which is what one subscriber may have. A table of fixed size; two
// prefixes that meet in one place share their limit, and whose place is whose is a secret.
class HalfOpenCounts {
 public:
  explicit HalfOpenCounts(const SipKey& key) : key_(key) {}

  uint16_t place_of(const IpAddress& address) const {
    const size_t kept = address.is_v4() ? 12 + 3 : 7;
    return static_cast<uint16_t>(siphash(key_, Bytes(address.bytes).first(kept)) % kPlaces);
  }
  uint32_t count(uint16_t place) const { return counts_[place]; }
  void add(uint16_t place) { ++counts_[place]; }
  void remove(uint16_t place) { --counts_[place]; }

 private:
  static constexpr size_t kPlaces = 4096;
  SipKey key_;
  std::array<uint32_t, kPlaces> counts_{};
};

}  // namespace viaduct::quic
