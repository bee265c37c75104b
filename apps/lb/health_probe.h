// Questions to servers on the wire: a packet of a version that does not exist, which any QUIC server has to answer (RFC
// 9000 section 6.1), and the datagrams of a connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "apps/lb/routing_snapshot.h"
#include "base/bytes.h"
#include "base/packet.h"

namespace viaduct::lb {

// Bytes of UDP payload: servers answer nothing shorter (RFC 9000 section 14.1).
inline constexpr size_t kProbeBytes = 1200;
// Of ours, below the range that flows are translated to: of that packet, and of connections.
inline constexpr uint16_t kProbePort = 1000;
inline constexpr uint16_t kFirstConnectionPort = 100, kLastConnectionPort = 999;

// What to ask whom. The answer comes to `from`.
struct Probe {
  uint64_t token = 0;
  uint16_t slot = kNoSlot;
  SocketAddress from, to;
};

// The way to a backend: through the forwarding that clients' packets take, to the service that they ask for. The
// service is the first one of the backend's pool that there is an address of our own for in its family.
std::optional<Probe> probe_for(const RoutingSnapshot& snapshot, uint16_t slot, uint64_t token);

// A UDP payload of a connection to a server, or from one.
struct ProbeDatagram {
  static constexpr size_t kMost = 1472;

  SocketAddress from, to;
  uint16_t slot = kNoSlot;  // of the backend that it is sent to
  uint16_t length = 0;
  std::array<uint8_t, kMost> bytes;
};

// Makes an empty packet (offset kHeadroom) the frame that carries a datagram. to: the link-layer address of the next
// hop.
void write_probe_datagram(Packet& packet, const ProbeDatagram& datagram, const RoutingSnapshot& snapshot,
                          const net::MacAddress& to);
// Makes an empty packet (offset kHeadroom) the frame that asks. to: the link-layer address of the next hop.
void write_probe(Packet& packet, const Probe& probe, const RoutingSnapshot& snapshot, const net::MacAddress& to);

// The token of the question that a UDP payload answers, which came from `server`; empty where it is no version
// negotiation packet of the form that such a question gets, or where another address was asked: a client would not
// take such an answer either.
std::optional<uint64_t> read_probe_answer(Bytes payload, const SocketAddress& server);

}  // namespace viaduct::lb
