// The link side of the balancer on a real device: it answers for our addresses and the services', and finds neighbours.
#pragma once

#include <vector>

#include "apps/lb/handler.h"
#include "base/snapshot.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/icmp.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::lb {

// One worker's; LinkSide (handler.h) says what the calls are. The interface is shared by all workers of the device.
//
// A datagram for one of our own addresses that is no translated flow ends here as net::kUdpPortClosed: that is the
// place for whoever sends datagrams of its own (health checks) to take its answers; build() is where it sends them.
class Link {
 public:
  Link(net::IpInterface& interface, net::FramePort& frames, const Snapshot<RoutingSnapshot>& snapshot);

  bool take(Packet& packet, Instant now);
  void step(Router& router, Instant now);
  size_t build(std::span<Packet*> burst, Instant now);
  Instant deadline() const { return interface_.neighbours().next_due(); }

 private:
  struct Taken {
    Verdict verdict;
    size_t answer = 0;        // bytes of the answer that the frame was turned into; 0: none
    net::MacAddress to = {};  // zero: whoever sent the frame
  };
  Taken take_frame(Packet& packet, Instant now);
  Taken take_ip(Packet& packet, const net::EthernetHeader& ethernet, Instant now);
  void refresh(NextHops& hops, Instant now);
  void look_for(const IpAddress& ip, Instant now);
  void ask_again(Instant now);
  void announce_services();

  net::IpInterface& interface_;
  net::FramePort& frames_;
  const Snapshot<RoutingSnapshot>& snapshot_;
  net::EchoLimit echo_limit_;
  std::vector<net::NeighbourTable::Question> questions_;  // to be sent
  std::vector<IpAddress> announcements_;                  // to be sent
  uint64_t announced_ = 0;                                // serial number of the snapshot
  uint64_t hops_of_ = 0;                                  // the same, whose next hops were looked up
  uint32_t epoch_ = 0;                                    // of the neighbour table then
  Instant next_refresh_;
};

}  // namespace viaduct::lb
