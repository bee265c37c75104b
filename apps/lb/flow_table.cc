#include "apps/lb/flow_table.h"

namespace viaduct::lb {
namespace {

// With two buckets of four to choose from, hardly a flow is refused while five of eight places are taken.
size_t buckets_for(size_t entries, size_t ways) { return std::max<size_t>(1, entries * 8 / 5 / ways + 1); }

}  // namespace

FlowTable::FlowTable(size_t entries, Duration timeout)
    : bucket_count_(buckets_for(entries, kWays)),
      timeout_(static_cast<uint32_t>((timeout.ns() + 999'999'999) / 1'000'000'000)),
      buckets_(bucket_count_) {}

bool FlowTable::insert(uint64_t hash, uint16_t slot, Instant now) {
  const uint32_t second = seconds(now);
  if (Entry* known = entry_of(hash, second)) {
    known->slot = slot;
    known->seen = second;
    return true;
  }
  // The emptier bucket, so that both kinds of buckets fill alike.
  Entry* room = nullptr;
  size_t most_room = 0;
  for (const size_t bucket : {first_of(hash), second_of(hash)}) {
    size_t free = 0;
    Entry* candidate = nullptr;
    for (Entry& entry : buckets_[bucket].entries) {
      if (is_live(entry, second)) continue;
      ++free;
      if (!candidate) candidate = &entry;
    }
    if (free > most_room) {
      most_room = free;
      room = candidate;
    }
  }
  if (!room) {
    refused_.add(1);
    return false;
  }
  *room = {hash, second, slot, 0};
  inserted_.add(1);
  return true;
}

size_t FlowTable::count(Instant now) const {
  size_t live = 0;
  for (size_t bucket = 0; bucket < bucket_count_; ++bucket) {
    for (const Entry& entry : buckets_[bucket].entries) live += is_live(entry, seconds(now));
  }
  return live;
}

}  // namespace viaduct::lb
