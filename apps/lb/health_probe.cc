#include "apps/lb/health_probe.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "apps/lb/tunnel_headers.h"
#include "flowsteer/invariants.h"
#include "pmd-glue/udp_headers.h"

namespace viaduct::lb {
namespace {

// Of the versions that are kept free to provoke negotiation (RFC 9000 section 15).
constexpr uint8_t kReservedVersion[] = {0x5a, 0x6a, 0x7a, 0x8a};
constexpr size_t kIdBytes = 8;

// The destination connection ID of a question to `server`, by which its answer is known without remembering whom we
// asked. Configuration 7: it says nothing to a balancer on the way.
std::array<uint8_t, kIdBytes> destination_of(uint64_t token, const SocketAddress& server) {
  uint64_t mixed = (token ^ server.port) * 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < server.ip.bytes.size(); at += sizeof mixed) {
    uint64_t part;
    std::memcpy(&part, server.ip.bytes.data() + at, sizeof part);
    mixed = (std::rotl(mixed, 23) ^ part) * 0x9e3779b97f4a7c15;
  }
  std::array<uint8_t, kIdBytes> id;
  std::memcpy(id.data(), &mixed, sizeof mixed);
  id[0] |= 0xe0;
  return id;
}

void write_payload(uint8_t* p, uint64_t token, const SocketAddress& server) {
  std::memset(p, 0, kProbeBytes);
  *p++ = 0xc0;
  p = std::ranges::copy(kReservedVersion, p).out;
  *p++ = kIdBytes;
  p = std::ranges::copy(destination_of(token, server), p).out;
  *p++ = kIdBytes;
  std::memcpy(p, &token, sizeof token);
}

// Headers in front of a UDP payload, and the tunnel to its server; hash: by which the tunnel's packets are told apart.
void send_from(Packet& packet, const Path& path, const Backend& backend, uint64_t hash, const RoutingSnapshot& snapshot,
               const net::MacAddress& to) {
  const LinkFacts& link = snapshot.link();
  packet.ecn = Ecn::kNotEct;
  net::UdpHeaders headers;
  headers.make(path, link.mac, to, link.vlan);
  headers.prepend(packet, net::ChecksumFilling::kSoftware);
  if (!is_tunnel(backend)) return;
  const InnerPacket inner{.ip = packet.data() + headers.ip_offset,
                          .length = static_cast<uint16_t>(packet.length - headers.ip_offset),
                          .is_v6 = headers.is_v6,
                          .hash = hash};
  write_tunnel(packet, inner, backend, to);
}

}  // namespace

std::optional<Probe> probe_for(const RoutingSnapshot& snapshot, uint16_t slot, uint64_t token) {
  if (slot >= snapshot.backends().size()) return std::nullopt;
  const Backend& backend = snapshot.backend(slot);
  for (const Service& service : snapshot.services()) {
    if (!backend.name.starts_with(snapshot.pool_of(service).name + "/")) continue;
    const bool is_nat = backend.forwarding == Forwarding::kNat;
    SocketAddress to = service.address;
    if (is_nat) to = {backend.address.ip, backend.address.port != 0 ? backend.address.port : service.address.port};
    const auto& own = to.ip.is_v4() ? snapshot.link().source4 : snapshot.link().source6;
    if (own) return Probe{.token = token, .slot = slot, .from = {*own, kProbePort}, .to = to};
  }
  return std::nullopt;
}

void write_probe(Packet& packet, const Probe& probe, const RoutingSnapshot& snapshot, const net::MacAddress& to) {
  packet.length = kProbeBytes;
  write_payload(packet.data(), probe.token, probe.to);
  send_from(packet, {.local = probe.from, .remote = probe.to}, snapshot.backend(probe.slot), probe.token, snapshot, to);
}

void write_probe_datagram(Packet& packet, const ProbeDatagram& datagram, const RoutingSnapshot& snapshot,
                          const net::MacAddress& to) {
  packet.length = datagram.length;
  std::copy_n(datagram.bytes.data(), datagram.length, packet.data());
  send_from(packet, {.local = datagram.from, .remote = datagram.to}, snapshot.backend(datagram.slot),
            datagram.from.port, snapshot, to);
}

// RFC 9000 section 17.2.1: IDs change places; at least one version is offered, and not the one that was asked for.
std::optional<uint64_t> read_probe_answer(Bytes payload, const SocketAddress& server) {
  constexpr size_t kVersionsAt = 1 + 4 + 2 * (1 + kIdBytes);
  if (payload.size() < kVersionsAt + 4 || (payload.size() - kVersionsAt) % 4 != 0) return std::nullopt;
  if (!(payload[0] & flowsteer::kLongHeaderBit) || payload[5] != kIdBytes || payload[6 + kIdBytes] != kIdBytes)
    return std::nullopt;
  constexpr uint8_t kNegotiation[4] = {};
  if (std::memcmp(payload.data() + 1, kNegotiation, sizeof kNegotiation) != 0) return std::nullopt;
  uint64_t token = 0;
  std::memcpy(&token, payload.data() + 6, sizeof token);
  if (!std::ranges::equal(payload.subspan(7 + kIdBytes, kIdBytes), destination_of(token, server))) return std::nullopt;
  for (size_t at = kVersionsAt; at < payload.size(); at += 4) {
    if (std::ranges::equal(payload.subspan(at, 4), kReservedVersion)) return std::nullopt;
  }
  return token;
}

}  // namespace viaduct::lb
