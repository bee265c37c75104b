// The second stage: servers that destination connection IDs name (section 4.1 of the QUIC-LB draft).
#pragma once

#include "apps/lb/burst.h"

namespace viaduct::lb {

// For each datagram of `datagrams`: its server, where the ID is routable, else the index goes to `unroutable`.
void route_by_id(Burst& burst, const SlotList& datagrams, const RoutingSnapshot& snapshot, SlotList& unroutable);

// The server that a connection ID names to the pool; kNoSlot where it is not routable. For single IDs.
uint16_t server_of_id(Bytes id, const Pool& pool);

}  // namespace viaduct::lb
