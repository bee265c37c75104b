// Servers that destination connection IDs name (section 4.1 of the QUIC-LB draft).
#pragma once

#include <array>
#include <cstring>
#include <vector>

#include "apps/lb/backend_counters.h"
#include "apps/lb/burst.h"
#include "flowsteer/server_id_decoder.h"

namespace viaduct::lb {

// Of one burst. A server id that stands in the clear is read while the packet is parsed; those under a cipher are
// collected, and read together at the end.
class IdStage {
 public:
  // Datagrams go to one of the lists: those that their IDs route, and all others. counters: by slot; they are on their
  // way when the burst is sent.
  IdStage(Burst& burst, SlotList& routed, SlotList& unroutable, const std::vector<BackendCounters>& counters)
      : burst_(burst), routed_(routed), unroutable_(unroutable), counters_(counters.data()) {
    routed_.clear();
    unroutable_.clear();
  }

  // A datagram that is as Burst::begin() says. dcid: kReadableId bytes can be read there, whatever they are.
  [[gnu::always_inline]] void take(unsigned i, Slice dcid, const Pool& pool) {
    const unsigned config = flowsteer::config_id(dcid.data[0]);
    const IdRoute& route = pool.routes[config];
    if (dcid.size < route.length) return leave(i);
    if (route.short_mask != 0) {
      uint64_t front;
      std::memcpy(&front, dcid.data + 1, sizeof front);
      return settle(i, config, route.servers.find_short(front & route.short_mask));
    }
    if (route.plain_length == 0) return collect(i, dcid.data + 1, route);
    settle(i, config, route.servers.find(flowsteer::ServerIdBlock::front_of(dcid.data + 1, route.plain_length)));
  }
  // The same where fewer bytes may be readable.
  void take_carefully(unsigned i, Slice dcid, const Pool& pool);
  // Reads what is encrypted.
  bool has_encrypted() const { return jobs_.size > 0; }
  void decrypt();

  // How many packets IDs of a configuration routed.
  unsigned routed_by(unsigned config) const { return routed_ids_ >> config * 8 & 0xff; }

 private:
  static_assert(Burst::kMax < 0x100);

  void settle(unsigned i, unsigned config, uint16_t slot) {
    if (slot == flowsteer::ServerIdMap::kNone) return leave(i);
    __builtin_prefetch(&counters_[slot], 1);
    burst_.slot[i] = slot;
    routed_.push(i);
    routed_ids_ += uint64_t{1} << config * 8;
  }
  void leave(unsigned i) {
    burst_.set_aside(i, FrameKind::kDatagram);
    unroutable_.push(i);
  }
  void collect(unsigned i, const uint8_t* block, const IdRoute& route) {
    slots_[jobs_.size] = static_cast<uint8_t>(i);
    routes_[jobs_.size] = &route;
    jobs_.add(route.config, block);
  }

  Burst& burst_;
  SlotList& routed_;
  SlotList& unroutable_;
  const BackendCounters* counters_;
  uint64_t routed_ids_ = 0;  // a byte for each configuration
  static_assert(Burst::kMax <= flowsteer::ServerIdJobs::kMost);
  flowsteer::ServerIdJobs jobs_;  // what is encrypted
  uint8_t slots_[Burst::kMax];
  const IdRoute* routes_[Burst::kMax];
  unsigned copied_ = 0;
  std::array<uint8_t, flowsteer::kReadableId> copies_[Burst::kMax];
};

// The server that a connection ID names to the pool; kNoSlot where it is not routable. For single IDs.
uint16_t server_of_id(Bytes id, const Pool& pool);

}  // namespace viaduct::lb
