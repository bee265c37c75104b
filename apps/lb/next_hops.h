// One worker's copy of the link-layer addresses that it sends to.
#pragma once

#include <utility>
#include <vector>

#include "apps/lb/routing_snapshot.h"

namespace viaduct::lb {

// Indexed as RoutingSnapshot::next_hops(). Whoever knows addresses (the link side; a test) fills them in; packets for
// an unknown one are dropped with a verdict, and it is noted as wanted.
class NextHops {
 public:
  // Takes the list of another snapshot; what is known of addresses that stay is kept.
  void reset(const std::vector<NextHop>& hops) {
    std::vector<Entry> entries;
    for (const NextHop& hop : hops) {
      Entry entry{hop.mac.value_or(net::MacAddress{}), hop.mac.has_value(), false, hop};
      for (const Entry& old : entries_) {
        if (!hop.mac && old.hop.ip == hop.ip && !old.hop.mac) entry = {old.mac, old.is_known, old.is_wanted, hop};
      }
      entries.push_back(entry);
    }
    entries_ = std::move(entries);
  }
  size_t size() const { return entries_.size(); }

  // Null where it is not known.
  const net::MacAddress* find(uint16_t index) {
    Entry& entry = entries_[index];
    if (entry.is_known) return &entry.mac;
    entry.is_wanted = is_missing_ = true;
    return nullptr;
  }
  // Whether one was asked for in vain since the last call.
  bool take_missing() { return std::exchange(is_missing_, false); }

  const NextHop& hop(size_t index) const { return entries_[index].hop; }
  // A packet was for it and it is not known.
  bool is_missing(size_t index) const { return entries_[index].is_wanted && !entries_[index].is_known; }
  void learn(size_t index, const net::MacAddress& mac) {
    entries_[index].mac = mac;
    entries_[index].is_known = true;
  }

 private:
  struct Entry {
    net::MacAddress mac;
    bool is_known = false;
    bool is_wanted = false;  // a packet was for it while it was not known
    NextHop hop;
  };
  std::vector<Entry> entries_;
  bool is_missing_ = false;
};

}  // namespace viaduct::lb
