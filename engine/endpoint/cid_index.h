// Which connection a destination connection ID belongs to: one open-addressing table per shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/siphash.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

// Linear probing over 32-byte slots at a load of at most one half. The hash is keyed, because clients
// choose the first ID of a connection and could aim for one place otherwise.
class CidIndex {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  CidIndex(size_t capacity, const SipKey& key);

  // Maps an ID to a connection's index. False where the ID is mapped already or the table is full.
  bool insert(const flowsteer::ConnectionId& id, uint32_t connection);
  // Forgets an ID; nothing where it is not there.
  void erase(const flowsteer::ConnectionId& id);
  // kNone for an unknown ID, and for anything longer than 20 bytes.
  uint32_t find(Bytes id) const;
  // A burst at once: all slots are prefetched before the first is read. found.size() >= ids.size() <= kBatch.
  static constexpr size_t kBatch = 32;
  void find(std::span<const Bytes> ids, std::span<uint32_t> found) const;

  size_t size() const { return size_; }
  size_t high_water() const { return high_water_; }
  size_t capacity() const { return capacity_; }
  uint64_t refused() const { return refused_; }

 private:
  struct Slot {
    uint32_t connection = kNone;  // kNone: free
    uint32_t hash = 0;
    flowsteer::ConnectionId id;
  };
  static_assert(sizeof(Slot) <= 32);

  size_t probe(uint32_t hash, Bytes id) const;
  uint32_t hash_of(Bytes id) const { return static_cast<uint32_t>(siphash(key_, id)); }

  const SipKey key_;
  const size_t capacity_;
  const size_t mask_;
  std::unique_ptr<Slot[]> slots_;
  size_t size_ = 0;
  size_t high_water_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace viaduct::quic
