#include "tests/simulation/amplification_watch.h"

#include <algorithm>

#include "base/bytes.h"
#include "engine/wire/version.h"
#include "flowsteer/invariants.h"

namespace viaduct::sim {
namespace {

using quic::PacketType;

constexpr uint64_t kAmplification = 3;

// Whether one of the coalesced packets is protected by keys that need the server's first flight, or brings a token.
bool shows_receipt(Bytes datagram) {
  while (!datagram.empty()) {
    const auto header = flowsteer::parse_invariants(datagram, 0);
    if (!header) return false;
    // Zeros after the last packet are padding, not a packet.
    if (!header->is_long) return std::ranges::any_of(datagram, [](uint8_t octet) { return octet != 0; });
    const PacketType type = quic::packet_type(header->version, header->first_octet >> 4 & 3);
    if (header->version == flowsteer::kVersionNegotiation || type == PacketType::kRetry) return false;
    if (type == PacketType::kHandshake) return true;
    ByteReader reader(header->rest);
    if (type == PacketType::kInitial) {
      const uint64_t token = reader.varint();
      if (token > 0) return true;
    }
    reader.skip(reader.varint());
    if (!reader.ok()) return false;
    datagram = reader.rest();
  }
  return false;
}

}  // namespace

void AmplificationWatch::delivered(const Datagram& datagram) {
  if (datagram.to.ip != server_) return;
  Peer& peer = peers_[datagram.from];
  peer.received += datagram.payload.size();
  peer.validated = peer.validated || shows_receipt(datagram.payload);
}

void AmplificationWatch::sent(const Datagram& datagram) {
  if (datagram.from.ip != server_) return;
  Peer& peer = peers_[datagram.to];
  peer.sent += datagram.payload.size();
  if (peer.validated || peer.sent <= kAmplification * peer.received || !violation_.empty()) return;
  violation_ = std::to_string(peer.sent) + " bytes to " + datagram.to.to_string() + " for " +
               std::to_string(peer.received) + " received";
}

}  // namespace viaduct::sim
