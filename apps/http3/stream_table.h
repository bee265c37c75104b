// Finds what belongs to a stream of a connection.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/pool.h"

namespace viaduct::http3 {

// (connection index, stream id) → handle, for all connections of a worker. Open addressing with linear
// probing in twice the room that is ever needed; never allocates after construction.
class StreamTable {
 public:
  // Streams of one connection are numbered up to 2^40 of a kind: what the keys hold.
  static constexpr uint64_t kMaxStream = uint64_t{1} << 42;

  explicit StreamTable(uint32_t capacity) : mask_(std::bit_ceil(capacity * 2 + 2) - 1), slots_(mask_ + 1) {}

  void insert(uint32_t connection, uint64_t stream, Handle handle) {
    size_t at = home(key(connection, stream));
    while (slots_[at].handle) at = (at + 1) & mask_;
    slots_[at] = {key(connection, stream), handle};
  }
  // The null handle where there is none.
  Handle find(uint32_t connection, uint64_t stream) const {
    const Slot* slot = locate(key(connection, stream));
    return slot ? slot->handle : Handle{};
  }
  void erase(uint32_t connection, uint64_t stream) {
    const Slot* slot = locate(key(connection, stream));
    if (slot) close_gap(static_cast<size_t>(slot - slots_.data()));
  }

 private:
  struct Slot {
    uint64_t key = 0;
    Handle handle;
  };

  static uint64_t key(uint32_t connection, uint64_t stream) { return uint64_t{connection} << 40 | stream >> 2; }
  // Four streams that follow each other share a cache line; multiplication spreads such groups over the table
  // (Fibonacci hashing).
  size_t home(uint64_t key) const {
    const uint64_t group = (key >> 2) * 0x9e3779b97f4a7c15 >> 20;
    return (group << 2 | (key & 3)) & mask_;
  }

  const Slot* locate(uint64_t key) const {
    for (size_t at = home(key); slots_[at].handle; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return &slots_[at];
    }
    return nullptr;
  }
  // Moves back what was pushed past the freed slot, so that no probe ends early.
  void close_gap(size_t hole) {
    for (size_t at = (hole + 1) & mask_; slots_[at].handle; at = (at + 1) & mask_) {
      const size_t distance_home = (at - home(slots_[at].key)) & mask_;
      const size_t distance_hole = (at - hole) & mask_;
      if (distance_home < distance_hole) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  size_t mask_;
  std::vector<Slot> slots_;
};

}  // namespace viaduct::http3
