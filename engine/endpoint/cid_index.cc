#include "engine/endpoint/cid_index.h"

#include <algorithm>
#include <array>
#include <bit>

namespace viaduct::quic {

using flowsteer::ConnectionId;

CidIndex::CidIndex(size_t capacity, const SipKey& key)
    : key_(key),
      capacity_(std::max<size_t>(capacity, 1)),
      mask_(std::bit_ceil(capacity_ * 2) - 1),
      slots_(std::make_unique<Slot[]>(mask_ + 1)) {}

// The slot that holds the ID, or the free one where it would go.
size_t CidIndex::probe(uint32_t hash, Bytes id) const {
  size_t place = hash & mask_;
  while (slots_[place].connection != kNone) {
    if (slots_[place].hash == hash && equal(slots_[place].id.bytes(), id)) break;
    place = (place + 1) & mask_;
  }
  return place;
}

bool CidIndex::insert(const ConnectionId& id, uint32_t connection) {
  const uint32_t hash = hash_of(id.bytes());
  const size_t place = probe(hash, id.bytes());
  if (slots_[place].connection != kNone || size_ == capacity_) return ++refused_, false;
  slots_[place] = {connection, hash, id};
  high_water_ = std::max(high_water_, ++size_);
  return true;
}

void CidIndex::erase(const ConnectionId& id) {
  size_t hole = probe(hash_of(id.bytes()), id.bytes());
  if (slots_[hole].connection == kNone) return;
  --size_;
  // What follows moves up into the hole unless its own place lies behind it, so that no probe ends too early.
  for (size_t next = (hole + 1) & mask_; slots_[next].connection != kNone; next = (next + 1) & mask_) {
    const size_t home = slots_[next].hash & mask_;
    if (((next - home) & mask_) < ((next - hole) & mask_)) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = {};
}

uint32_t CidIndex::find(Bytes id) const {
  if (id.size() > ConnectionId::kMaxSize) return kNone;
  return slots_[probe(hash_of(id), id)].connection;
}

void CidIndex::find(std::span<const Bytes> ids, std::span<uint32_t> found) const {
  std::array<uint32_t, kBatch> hashes;
  for (size_t i = 0; i < ids.size(); ++i) {
    hashes[i] = hash_of(ids[i]);
    __builtin_prefetch(&slots_[hashes[i] & mask_]);
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    found[i] = ids[i].size() > ConnectionId::kMaxSize ? kNone : slots_[probe(hashes[i], ids[i])].connection;
  }
}

}  // namespace viaduct::quic
