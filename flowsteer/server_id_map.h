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

// Immutable. The places of the hash table are numbers of entries, so that eight times as many places as ids take little
// room: nearly every look-up ends with its first step, which is what a processor foresees.
class ServerIdMap {
 public:
  static constexpr uint16_t kNone = 0xffff;

  ServerIdMap() : places_{kEmpty} {}
  // No id occurs twice. Values are below kNone.
  explicit ServerIdMap(std::span<const std::pair<ServerIdBlock, uint16_t>> ids) {
    places_.assign(std::bit_ceil(8 * ids.size() + 1), kEmpty);
    mask_ = places_.size() - 1;
    for (const auto& [id, value] : ids) {
      size_t at = place_of(id);
      while (places_[at] != kEmpty) at = (at + 1) & mask_;
      places_[at] = static_cast<uint32_t>(entries_.size());
      entries_.push_back({id, value});
    }
  }

  uint16_t find(const ServerIdBlock& id) const {
    const uint32_t* places = places_.data();
    for (size_t at = place_of(id);; at = (at + 1) & mask_) {
      if (places[at] == kEmpty) return kNone;
      const Entry& entry = entries_.data()[places[at]];
      if (entry.id == id) return entry.value;
    }
  }

  // How many places a look-up reads at most, of an id that is in it or not.
  size_t longest_search() const {
    return viaduct::longest_search(places_, [](uint32_t place) { return place == kEmpty; });
  }

 private:
  static constexpr uint32_t kEmpty = 0xffffffff;
  struct Entry {
    ServerIdBlock id;
    uint16_t value = kNone;
  };
  size_t place_of(const ServerIdBlock& id) const {
    uint64_t halves[2];
    std::memcpy(halves, id.bytes.data(), sizeof halves);
    return static_cast<size_t>(mixed(halves[0], halves[1])) & mask_;
  }

  std::vector<uint32_t> places_;  // never none
  size_t mask_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace viaduct::flowsteer
