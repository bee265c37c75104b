// Which MAC address an on-link IP address has: one table for all workers of a device.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/instant.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::net {

// Readers take no lock and write nothing shared: an entry is read under its sequence number. Writers (rare: a question
// asked, an answer come, a timer) exclude each other by a flag that they try for a bounded time; one that does not get
// it leaves the change to the next packet or timer.
//
// Only addresses that were asked for are in it. It is eight-way associative: where a new address finds no room, one
// that did not answer goes first, then one that is not in use; one that is in use stays, so that a flood of made-up
// senders on the link cannot push out a real neighbour.
class NeighbourTable {
 public:
  explicit NeighbourTable(unsigned capacity);
  ~NeighbourTable();
  NeighbourTable(const NeighbourTable&) = delete;
  NeighbourTable& operator=(const NeighbourTable&) = delete;

  struct Question {
    IpAddress ip;
    MacAddress mac;            // where it is believed to be, for a question to it alone
    bool to_everybody = true;  // nothing is known yet
  };

  // Changes whenever a known address becomes another or unknown: a copied MAC is good as long as this is the same.
  uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  // The address, if it is known. Marks the entry as used, so that it is kept fresh.
  std::optional<MacAddress> find(const IpAddress& ip) const;
  // Makes an entry for an address that is wanted. True if the caller is to ask for it now.
  bool want(const IpAddress& ip, Instant now);
  // An answer or announcement. True if the address was wanted or known.
  bool learn(const IpAddress& ip, const MacAddress& mac, Instant now);
  // As learn(), of an address that was not asked for. False if there is no room.
  bool add(const IpAddress& ip, const MacAddress& mac, Instant now, bool permanent);
  // Questions that are due now, at most questions.size(); gives up those that were asked often enough.
  size_t due(Instant now, std::span<Question> questions);
  // When due() has something to do; never() when there is nothing to watch.
  Instant next_due() const { return Instant::from_ns(next_due_.load(std::memory_order_relaxed)); }
  // True if it was asked for and no answer came in time.
  bool is_unreachable(const IpAddress& ip) const;
  // True if it is in the table, in whatever state.
  bool is_watched(const IpAddress& ip) const;

  unsigned capacity() const { return capacity_; }
  unsigned used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t evicted() const { return evicted_.load(std::memory_order_relaxed); }

 private:
  struct Entry;
  class Writer;
  Entry* set_of(uint64_t high, uint64_t low) const;
  bool is_to_ask(Writer& writer, Entry& entry, Instant now);
  void changed();

  const unsigned capacity_;
  const uint64_t seed_;
  std::unique_ptr<Entry[]> entries_;
  std::atomic<uint32_t> epoch_{1};
  std::atomic<int64_t> next_due_{Instant::never().ns()};
  std::atomic<unsigned> used_{0};
  std::atomic<uint64_t> evicted_{0};
  alignas(64) mutable std::atomic<bool> writing_{false};
};

}  // namespace viaduct::net
