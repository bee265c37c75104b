// A frame with a UDP datagram in it, taken apart and put together again.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/packet.h"
#include "pmd-glue/ip_header.h"
#include "tests/simulation/datagram.h"

namespace viaduct::impair {

struct UdpFrame {
  net::EthernetHeader ethernet;
  sim::Datagram datagram;
};

// Empty for every other frame: fragments, other protocols, what is malformed. UDP checksums are not looked at, because
// a virtual cable carries unfinished ones.
std::optional<UdpFrame> read_udp(Bytes frame);

// Writes the frame into an empty packet, with good checksums. False where it does not fit.
bool write_udp(const UdpFrame& frame, Packet& packet);

}  // namespace viaduct::impair
