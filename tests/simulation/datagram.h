// A datagram on its way through the simulated network.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/packet.h"

namespace viaduct::sim {

struct Datagram {
  SocketAddress from;
  SocketAddress to;
  Ecn ecn = Ecn::kNotEct;
  std::vector<uint8_t> payload;  // of UDP
};

}  // namespace viaduct::sim
