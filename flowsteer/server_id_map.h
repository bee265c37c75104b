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

// Immutable. Ids of up to six bytes stand in the places of a hash table themselves, next to their values: a look-up
// reads one word. Of longer ones the places are numbers of entries. Either has eight times as many places as ids, so
// that nearly every look-up ends with its first step, which is what a processor foresees.
class ServerIdMap {
 public:
  static constexpr uint16_t kNone = 0xffff;

  ServerIdMap() : short_(2, kNobody) {}
  // length: bytes of every id, also of those that are looked up. No id occurs twice. Values are below kNone.
  ServerIdMap(size_t length, std::span<const std::pair<ServerIdBlock, uint16_t>> ids) {
    const size_t places = std::bit_ceil(8 * ids.size() + 2);
    mask_ = places - 1;
    shift_ = static_cast<uint8_t>(std::countl_zero(places) + 1);
    const bool are_short = length <= kMostShort;
    are_short ? short_.assign(places, kNobody) : long_.assign(places, kEmpty);
    for (const auto& [id, value] : ids) are_short ? insert_short(id, value) : insert_long(id, value);
  }

  uint16_t find(const ServerIdBlock& id) const { return long_.empty() ? find_short(Words(id).low) : find_long(id); }
  // Of ids of up to kMostShort bytes: the id as the low bytes of a number in the machine's order.
  static constexpr size_t kMostShort = 6;
  uint16_t find_short(uint64_t id) const {
    const uint64_t* places = short_.data();
    for (size_t at = short_place_of(id);; at = (at + 1) & mask_) {
      if ((places[at] ^ id) << kValueBits == 0) return value_of(places[at]);
      if (places[at] == kNobody) return kNone;
    }
  }

  // How many places a look-up reads at most, of an id that is in it or not.
  size_t longest_search() const {
    return long_.empty() ? viaduct::longest_search(short_, [](uint64_t place) { return place == kNobody; })
                         : viaduct::longest_search(long_, [](uint32_t place) { return place == kEmpty; });
  }

 private:
  struct Words {
    uint64_t low, high;

    explicit Words(const ServerIdBlock& id) {
      std::memcpy(&low, id.bytes.data(), sizeof low);
      std::memcpy(&high, id.bytes.data() + sizeof low, sizeof high);
    }
  };
  // A place of a short id: the id, and above it the value.
  static constexpr unsigned kIdBits = 8 * kMostShort, kValueBits = 64 - kIdBits;
  static constexpr uint64_t kNobody = ~uint64_t{0};
  static constexpr uint32_t kEmpty = 0xffffffff;
  struct Entry {
    ServerIdBlock id;
    uint16_t value = kNone;
  };

  static uint16_t value_of(uint64_t place) { return static_cast<uint16_t>(place >> kIdBits); }
  size_t short_place_of(uint64_t id) const { return static_cast<size_t>(id * 0x9e3779b97f4a7c15 >> shift_); }
  size_t long_place_of(const ServerIdBlock& id) const {
    const Words words(id);
    return static_cast<size_t>(mixed(words.low, words.high)) & mask_;
  }
  void insert_short(const ServerIdBlock& id, uint16_t value) {
    const Words words(id);
    size_t at = short_place_of(words.low);
    while (short_[at] != kNobody) at = (at + 1) & mask_;
    short_[at] = words.low | uint64_t{value} << kIdBits;
  }
  void insert_long(const ServerIdBlock& id, uint16_t value) {
    size_t at = long_place_of(id);
    while (long_[at] != kEmpty) at = (at + 1) & mask_;
    long_[at] = static_cast<uint32_t>(entries_.size());
    entries_.push_back({id, value});
  }
  uint16_t find_long(const ServerIdBlock& id) const {
    const uint32_t* places = long_.data();
    for (size_t at = long_place_of(id);; at = (at + 1) & mask_) {
      if (places[at] == kEmpty) return kNone;
      const Entry& entry = entries_.data()[places[at]];
      if (entry.id == id) return entry.value;
    }
  }

  std::vector<uint64_t> short_;  // either these are places, or those
  std::vector<uint32_t> long_;
  std::vector<Entry> entries_;
  size_t mask_ = 1;
  uint8_t shift_ = 63;
};

}  // namespace viaduct::flowsteer
