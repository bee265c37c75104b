// A balancer of the simulated network: the router that programs run, on frames made of datagrams.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "apps/lb/router.h"
#include "tests/simulation/datagram.h"

namespace viaduct::sim {

// Forgets everything when it is destroyed, as a process does.
class Balancer {
 public:
  // A datagram and the origin that it is for, as the number of its backend.
  struct Routed {
    size_t origin;
    Datagram datagram;
  };

  explicit Balancer(const lb::Configuration& configuration);

  // Another configuration for the same process.
  void load(const lb::Configuration& configuration);
  // Wraps the datagram into frames, routes it and takes it out of its tunnel. Empty where it was dropped.
  std::optional<Routed> route(const Datagram& datagram, Instant now);

  lb::Router& router() { return router_; }

 private:
  size_t write_frame(const Datagram& datagram);

  lb::SlotDirectory slots_;
  std::unique_ptr<const lb::RoutingSnapshot> snapshot_;
  lb::Router router_;
  std::array<uint8_t, 4096> room_{};
  Packet packet_;
};

// `origins` servers for a service, in IP-in-IP tunnels; their server ids are {0xb0, number, 0x0b}.
lb::Configuration balancer_configuration(SocketAddress service, size_t origins,
                                         const flowsteer::QuicLbConfig& connection_ids);

}  // namespace viaduct::sim
