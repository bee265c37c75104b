// The sockets that a driver opened for its queues: DPDK does not say, so they are found among our descriptors.
#pragma once

#include <set>
#include <vector>

namespace viaduct::net {

// Packet sockets (AF_PACKET, AF_XDP) that this process has open now.
std::set<int> open_driver_sockets();

// Those that are open now and were not before, in the order in which they were opened: one for each queue, or none if
// their number is another. No other thread may be opening sockets meanwhile.
std::vector<int> driver_sockets_since(const std::set<int>& before, unsigned queues);

}  // namespace viaduct::net
