// Which worker a frame belongs to, where there is more than one.
#pragma once

#include "apps/lb/flow_relay.h"
#include "apps/lb/frame_stage.h"
#include "apps/lb/icmp_relay.h"

namespace viaduct::lb {

// What a connection ID routes needs no state: any worker may do it, and where the device spreads flows over its queues
// every frame stays where it came in. Three things bring one elsewhere: the answers of translated flows have their
// worker's port, a device with one queue leaves the spreading to us, and errors look for the worker that knows their
// flow. What is new is asked about (FlowRelay) once it is found to be new.
struct Owners {
  unsigned worker = 0;
  unsigned workers = 1;
  bool hand_off = false;  // a flow's worker is that of its addresses' hash
  FrameFacts facts;
  IcmpRelay* relay = nullptr;  // where the device spreads flows; null: the owner of an error is known, or there is one
  FlowRelay* flows = nullptr;  // null: there is one worker

  unsigned owner_of(Packet& frame, const RoutingSnapshot& snapshot) const;

 private:
  bool is_of_translated(uint16_t port) const { return port >= facts.first_nat_port && port <= facts.last_nat_port; }
  // Of a port of translated flows; any other is for whoever got it.
  unsigned by_port(uint16_t port) const {
    return is_of_translated(port) ? static_cast<unsigned>(port - facts.first_nat_port) / facts.nat_ports_of_worker
                                  : worker;
  }
  unsigned by_hash(uint64_t hash) const { return static_cast<unsigned>((hash >> 32) % workers); }
};

}  // namespace viaduct::lb
