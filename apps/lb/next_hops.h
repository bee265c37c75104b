// One worker's copy of the link-layer addresses that it sends to.
#pragma once

#include <vector>

#include "apps/lb/routing_snapshot.h"

namespace viaduct::lb {

// Indexed as RoutingSnapshot::next_hops(). Whoever knows addresses (the link side; a test) fills them in, and looks for
// those that are missing before a packet needs them; packets for an unknown one are dropped with a verdict.
class NextHops {
 public:
  // Takes the list of another snapshot; what is known of addresses that stay is kept.
  void reset(const std::vector<NextHop>& hops) {
    std::vector<Entry> entries;
    for (const NextHop& hop : hops) {
      Entry entry{hop.mac.value_or(net::MacAddress{}), hop.mac.has_value(), hop};
      for (const Entry& old : entries_) {
        if (!hop.mac && old.hop.ip == hop.ip && !old.hop.mac) entry = {old.mac, old.is_known, hop};
      }
      entries.push_back(entry);
    }
    entries_ = std::move(entries);
    ++version_;
  }
  size_t size() const { return entries_.size(); }

  // Null where it is not known.
  const net::MacAddress* find(uint16_t index) const {
    const Entry& entry = entries_.data()[index];
    return entry.is_known ? &entry.mac : nullptr;
  }

  const NextHop& hop(size_t index) const { return entries_[index].hop; }
  void learn(size_t index, const net::MacAddress& mac) {
    entries_[index].mac = mac;
    entries_[index].is_known = true;
    ++version_;
  }
  // Another one after every change.
  uint64_t version() const { return version_; }

 private:
  struct alignas(32) Entry {  // none in two cache lines
    net::MacAddress mac;
    bool is_known = false;
    NextHop hop;
  };
  std::vector<Entry> entries_;
  uint64_t version_ = 0;
};

}  // namespace viaduct::lb
