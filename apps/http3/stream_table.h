// Finds what belongs to a stream of a connection.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "base/pool.h"
#include "base/scaled.h"

namespace viaduct::http3 {

// (connection index, stream id) → handle, for all connections of a worker; the handles are those of one pool. Entries
// of a bucket are chained by their handles' indices, so that one goes without another being moved. Never allocates
// after construction.
class StreamTable {
 public:
  // Streams of one connection are numbered up to 2^40 of a kind: what the keys hold.
  static constexpr uint64_t kMaxStream = uint64_t{1} << 42;

  // capacity: the pool's.
  explicit StreamTable(uint32_t capacity)
      : buckets_(std::bit_ceil(std::max<size_t>(capacity, kGroup)), kNone), entries_(capacity) {}

  void insert(uint32_t connection, uint64_t stream, Handle handle) {
    uint32_t& bucket = buckets_[bucket_of(key(connection, stream))];
    entries_[handle.index] = {key(connection, stream), handle.generation, bucket};
    bucket = handle.index;
  }
  // The null handle where there is none.
  Handle find(uint32_t connection, uint64_t stream) const {
    const uint64_t wanted = key(connection, stream);
    uint32_t at = buckets_[bucket_of(wanted)];
    while (at != kNone && entries_[at].key != wanted) at = entries_[at].next;
    return at == kNone ? Handle{} : Handle{at, entries_[at].generation};
  }
  // Fetches what find() reads first.
  void prefetch(uint32_t connection, uint64_t stream) const {
    __builtin_prefetch(&buckets_[bucket_of(key(connection, stream))]);
  }
  void erase(uint32_t connection, uint64_t stream) {
    const uint64_t wanted = key(connection, stream);
    uint32_t* link = &buckets_[bucket_of(wanted)];
    while (*link != kNone && entries_[*link].key != wanted) link = &entries_[*link].next;
    if (*link != kNone) *link = entries_[*link].next;
  }

  // How many entries a look-up reads at most.
  size_t longest_search() const {
    size_t longest = 0;
    for (uint32_t at : buckets_) {
      size_t length = 0;
      for (; at != kNone; at = entries_[at].next) ++length;
      longest = std::max(longest, length);
    }
    return longest;
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  // Streams that follow each other share a cache line of buckets: they are looked for one after the other, too.
  static constexpr size_t kGroup = 16;

  struct Entry {
    uint64_t key = 0;
    uint32_t generation = 0;
    uint32_t next = kNone;  // in the bucket
  };

  static uint64_t key(uint32_t connection, uint64_t stream) { return uint64_t{connection} << 40 | stream >> 2; }
  // Connections have the same streams open, so both must count for every bit.
  size_t bucket_of(uint64_t key) const {
    const uint64_t hash = mixed(key >> 40, key / kGroup);
    return (hash * kGroup | key % kGroup) & (buckets_.size() - 1);
  }

  std::pmr::vector<uint32_t> buckets_;  // indices of the entries that came last
  std::pmr::vector<Entry> entries_;     // at the indices of their handles
};

}  // namespace viaduct::http3
