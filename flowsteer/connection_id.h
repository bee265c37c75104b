// A QUIC connection ID as a value.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/bytes.h"
#include "base/siphash.h"

namespace viaduct::flowsteer {

// 0 to 20 bytes (RFC 9000 section 17.2), copied by value. Bytes past the end are zero, so that two IDs compare
// as two fixed blocks. Longer ones exist only in packets of unknown versions: see invariants.h.
class ConnectionId {
 public:
  static constexpr size_t kMaxSize = 20;

  constexpr ConnectionId() = default;
  // Takes the first kMaxSize bytes; whoever reads a length from a packet checks it before.
  explicit ConnectionId(Bytes bytes) : size_(static_cast<uint8_t>(std::min(bytes.size(), kMaxSize))) {
    if (size_ > 0) std::memcpy(bytes_.data(), bytes.data(), size_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const uint8_t* data() const { return bytes_.data(); }
  Bytes bytes() const { return {bytes_.data(), size_}; }

  bool operator==(const ConnectionId&) const = default;
  // For tables: peers choose IDs, so the key has to be a secret.
  uint64_t hash(const SipKey& key) const { return siphash(key, bytes()); }

 private:
  std::array<uint8_t, kMaxSize> bytes_{};
  uint8_t size_ = 0;
};
static_assert(std::is_trivially_copyable_v<ConnectionId> && sizeof(ConnectionId) == 21);

}  // namespace viaduct::flowsteer
