// Which worker a frame belongs to, where there is more than one.
#pragma once

#include "apps/lb/frame_stage.h"

namespace viaduct::lb {

// What a connection ID routes needs no state: any worker may do it, and where the device spreads flows over its queues
// every frame stays where it came in. Two things bring one elsewhere: the answers of translated flows have their
// worker's port, and a device with one queue leaves the spreading to us.
struct Owners {
  unsigned worker = 0;
  unsigned workers = 1;
  bool hand_off = false;  // a flow's worker is that of its addresses' hash
  FrameFacts facts;

  unsigned owner_of(Packet& frame, const RoutingSnapshot& snapshot) const;

 private:
  unsigned by_hash(uint64_t hash) const { return static_cast<unsigned>((hash >> 32) % workers); }
};

}  // namespace viaduct::lb
