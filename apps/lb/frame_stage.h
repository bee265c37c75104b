// The first stage: what a frame is, and where its headers are.
#pragma once

#include "apps/lb/id_stage.h"

namespace viaduct::lb {

struct FrameFacts {
  net::MacAddress mac;
  uint16_t vlan = 0;
  // The link is a virtual one to this machine's kernel, which leaves checksums to a device that is not there.
  bool completes_checksums = false;
  // Translated flows use these ports of our own addresses; none where the range is empty. A worker has some of them.
  uint16_t first_nat_port = 1, last_nat_port = 0;
  uint16_t first_nat_port_of_worker = 1;
  uint16_t nat_ports_of_worker = 0;
};

// Finds out what the packets of the burst are, and gives those that are datagrams for a service to `ids`.
void parse_frames(Burst& burst, const RoutingSnapshot& snapshot, const FrameFacts& facts, IdStage& ids);

}  // namespace viaduct::lb
