// Which server a server id stands for.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/scaled.h"

namespace viaduct::flowsteer {

// A server id of 1 to 15 bytes with zeros behind it. Within one configuration all have one length.
struct alignas(16) ServerIdBlock {
  std::array<uint8_t, 16> bytes;

  // Leaves the bytes as they come: arrays of these are filled one by one.
  ServerIdBlock() = default;
  // At most 15 bytes.
  explicit ServerIdBlock(Bytes id) : bytes{} {
    if (!id.empty()) std::memcpy(bytes.data(), id.data(), id.size());
  }
  // The first `length` of the 16 bytes that can be read at `at`.
  static ServerIdBlock front_of(const uint8_t* at, size_t length) {
    ServerIdBlock block;
    for (size_t word = 0; word < 2; ++word) {
      uint64_t value;
      std::memcpy(&value, at + word * sizeof value, sizeof value);
      value &= kMasks[length][word];
      std::memcpy(block.bytes.data() + word * sizeof value, &value, sizeof value);
    }
    return block;
  }
  bool operator==(const ServerIdBlock&) const = default;

 private:
  static_assert(std::endian::native == std::endian::little);
  static constexpr auto kMasks = [] {
    std::array<std::array<uint64_t, 2>, 16> masks{};
    for (size_t length = 0; length < masks.size(); ++length) {
      for (size_t at = 0; at < length; ++at) masks[length][at / 8] |= uint64_t{0xff} << at % 8 * 8;
    }
    return masks;
  }();
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
    const Place* places = places_.data();
    for (size_t at = place_of(id);; at = (at + 1) & (places_.size() - 1)) {
      if (places[at].value == kNone || places[at].id == id) return places[at].value;
    }
  }

  // How many places a look-up reads at most, of an id that is in it or not.
  size_t longest_search() const {
    return viaduct::longest_search(places_, [](const Place& place) { return place.value == kNone; });
  }

 private:
  struct Place {
    ServerIdBlock id;
    uint16_t value = kNone;
  };
  size_t place_of(const ServerIdBlock& id) const {
    uint64_t halves[2];
    std::memcpy(halves, id.bytes.data(), sizeof halves);
    return static_cast<size_t>(mixed(halves[0], halves[1])) & (places_.size() - 1);
  }

  std::vector<Place> places_;
};

}  // namespace viaduct::flowsteer
