// Which server a server id stands for.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace viaduct::flowsteer {

// A server id of 1 to 15 bytes with zeros behind it. Within one configuration all have one length.
struct alignas(16) ServerIdBlock {
  std::array<uint8_t, 16> bytes{};

  ServerIdBlock() = default;
  // At most 15 bytes.
  explicit ServerIdBlock(Bytes id) {
    if (!id.empty()) std::memcpy(bytes.data(), id.data(), id.size());
  }
  bool operator==(const ServerIdBlock&) const = default;
};

// Immutable; at least twice as many places as ids, so that a look-up ends after a step or two.
class ServerIdMap {
 public:
  static constexpr uint16_t kNone = 0xffff;

  ServerIdMap() = default;
  // No id occurs twice. Values are below kNone.
  explicit ServerIdMap(std::span<const std::pair<ServerIdBlock, uint16_t>> ids) {
    size_t size = 4;
    while (size < 2 * ids.size()) size *= 2;
    places_.resize(size);
    for (const auto& [id, value] : ids) {
      size_t at = place_of(id);
      while (places_[at].value != kNone) at = (at + 1) & (size - 1);
      places_[at] = {id, value};
    }
  }

  uint16_t find(const ServerIdBlock& id) const {
    if (places_.empty()) return kNone;
    for (size_t at = place_of(id);; at = (at + 1) & (places_.size() - 1)) {
      if (places_[at].value == kNone || places_[at].id == id) return places_[at].value;
    }
  }

 private:
  struct Place {
    ServerIdBlock id;
    uint16_t value = kNone;
  };
  size_t place_of(const ServerIdBlock& id) const {
    uint64_t halves[2];
    std::memcpy(halves, id.bytes.data(), sizeof halves);
    const uint64_t mixed = (halves[0] ^ (halves[1] * 0xc2b2ae3d27d4eb4f)) * 0x9e3779b97f4a7c15;
    return static_cast<size_t>(mixed >> 32) & (places_.size() - 1);
  }

  std::vector<Place> places_;
};

}  // namespace viaduct::flowsteer
