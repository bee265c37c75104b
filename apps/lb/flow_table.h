// Which server the packets of a flow go to whose connection IDs do not say it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "apps/lb/huge_memory.h"
#include "base/instant.h"
#include "base/scaled.h"
#include "base/worker_stats.h"

namespace viaduct::lb {

// What telemetry says about a table.
struct FlowTableUse {
  uint64_t capacity = 0;
  uint64_t inserted = 0;
  uint64_t refused = 0;  // found no room: routed all the same, by hash
};

// From a keyed hash of 64 bits to a slot. One worker's.
//
// A bucket is one cache line with four entries; a flow has two buckets that it may be in. The hash stands for the key:
// it has to be made with a secret, then two flows share one by chance only (of ten million flows, one look-up in 10^11
// finds a foreign entry). An entry that was not used for the timeout is free. An entry is never removed for another
// one: where there is no room the new flow gets none, so that a flood of packets takes nobody's state away.
class FlowTable {
 public:
  static constexpr uint16_t kNone = 0xffff;

  // entries: how many flows it has to be able to hold, at least; timeout: rounded up to seconds.
  FlowTable(size_t entries, Duration timeout);

  // Brings the buckets of a flow closer, for a look-up a little later.
  void prefetch(uint64_t hash) const {
    __builtin_prefetch(&buckets_[first_of(hash)], 1);
    __builtin_prefetch(&buckets_[second_of(hash)], 1);
  }

  // The flow's slot, kNone for an unknown one. A flow that is found stays for another timeout.
  uint16_t find(uint64_t hash, Instant now) {
    Entry* entry = entry_of(hash, seconds(now));
    if (!entry) return kNone;
    // A line that need not change is not written.
    if (const uint32_t second = seconds(now); entry->seen != second) entry->seen = second;
    return entry->slot;
  }
  // The same, and nothing changes.
  uint16_t peek(uint64_t hash, Instant now) const {
    const Entry* entry = entry_of(hash, seconds(now));
    return entry ? entry->slot : kNone;
  }

  // Remembers the flow, or that it has another slot now. False where there is no room.
  bool insert(uint64_t hash, uint16_t slot, Instant now);

  FlowTableUse use() const { return {bucket_count_ * kWays, inserted_.value(), refused_.value()}; }
  // Entries in use. Walks the whole table: for tests and commands.
  size_t count(Instant now) const;

 private:
  struct Entry {
    uint64_t hash = 0;
    uint32_t seen = 0;  // second of the last use, counted from 1; 0: never used
    uint16_t slot = 0;
    uint16_t unused = 0;
  };
  static constexpr size_t kWays = 4;
  struct alignas(64) Bucket {
    Entry entries[kWays];
  };
  static_assert(sizeof(Bucket) == 64);

  size_t first_of(uint64_t hash) const { return scaled(hash, bucket_count_); }
  size_t second_of(uint64_t hash) const { return scaled(hash * 0x9e3779b97f4a7c15, bucket_count_); }
  static uint32_t seconds(Instant now) { return static_cast<uint32_t>(now.ns() / 1'000'000'000) + 1; }
  bool is_live(const Entry& entry, uint32_t now) const { return entry.seen != 0 && now - entry.seen <= timeout_; }

  Entry* entry_of(uint64_t hash, uint32_t now) const {
    Entry* entry = entry_in(buckets_[first_of(hash)], hash, now);
    return entry ? entry : entry_in(buckets_[second_of(hash)], hash, now);
  }
  // Looks at all four places at once: which one it is nobody can foresee, and a wrong guess costs more than looking.
  Entry* entry_in(Bucket& bucket, uint64_t hash, uint32_t now) const {
    unsigned matches = 0;
    for (unsigned i = 0; i < kWays; ++i) matches |= static_cast<unsigned>(bucket.entries[i].hash == hash) << i;
    for (; matches != 0; matches &= matches - 1) {
      Entry& entry = bucket.entries[std::countr_zero(matches)];
      if (is_live(entry, now)) return &entry;
    }
    return nullptr;
  }

  size_t bucket_count_;
  uint32_t timeout_;
  HugeArray<Bucket> buckets_;
  Counter inserted_;
  Counter refused_;
};

}  // namespace viaduct::lb
