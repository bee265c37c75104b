#include "apps/lb/tunnel_headers.h"

#include <algorithm>
#include <cstring>

#include "flowsteer/mcphint.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

using net::store_u16;

constexpr uint8_t kTunnelHopLimit = 64;

void append(Backend& backend, size_t bytes) {
  backend.headers_length = static_cast<uint8_t>(backend.headers_length + bytes);
}
uint8_t* end_of(Backend& backend) { return backend.headers.data() + backend.headers_length; }

void append_ethernet(Backend& backend, const LinkFacts& link, bool is_v6) {
  uint8_t* p = end_of(backend);
  std::memcpy(p + 6, link.mac.bytes.data(), 6);
  p += 12;
  if (link.vlan != 0) {
    store_u16(p, net::kEtherTypeVlan);
    store_u16(p + 2, link.vlan);
    p += net::kVlanTag;
  }
  store_u16(p, is_v6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4);
  append(backend, static_cast<size_t>(p + 2 - end_of(backend)));
}

// protocol: of what follows; 0 where that is the inner packet.
void append_ipv4(Backend& backend, const LinkFacts& link, uint8_t protocol, const flowsteer::McphintConfig& mcphint) {
  uint8_t* p = end_of(backend);
  const size_t length = net::kIpv4Header + (backend.mcphint ? flowsteer::kMcphint4 : 0);
  p[0] = static_cast<uint8_t>(0x40 | length / 4);
  store_u16(p + 6, 0x4000);  // don't fragment
  p[8] = kTunnelHopLimit;
  p[9] = protocol;
  std::memcpy(p + 12, link.source4->v4_bytes(), 4);
  std::memcpy(p + 16, backend.address.ip.v4_bytes(), 4);
  if (backend.mcphint) {
    write_mcphint4(p + net::kIpv4Header, mcphint, 0);
    backend.hint_at = static_cast<uint8_t>(backend.headers_length + net::kIpv4Header + 2);
  }
  backend.protocol_at = static_cast<uint8_t>(backend.headers_length + 9);
  backend.checksum = net::checksum_add(0, {p, length});
  append(backend, length);
}

void append_ipv6(Backend& backend, const LinkFacts& link, uint8_t protocol, const flowsteer::McphintConfig& mcphint) {
  uint8_t* p = end_of(backend);
  p[0] = 0x60;
  p[6] = backend.mcphint ? mcphint6_header(mcphint) : protocol;
  p[7] = kTunnelHopLimit;
  std::memcpy(p + 8, link.source6->bytes.data(), 16);
  std::memcpy(p + 24, backend.address.ip.bytes.data(), 16);
  backend.protocol_at = static_cast<uint8_t>(backend.headers_length + 6);
  append(backend, net::kIpv6Header);
  if (!backend.mcphint) return;
  write_mcphint6(end_of(backend), mcphint, protocol, 0);
  backend.protocol_at = backend.headers_length;
  backend.hint_at = static_cast<uint8_t>(backend.headers_length + 4);
  append(backend, flowsteer::kMcphint6);
}

// UDP without a checksum: the packet inside has its own (RFC 6935, RFC 6936).
void append_gue(Backend& backend, uint16_t port) {
  uint8_t* p = end_of(backend);
  store_u16(p + 2, port);
  append(backend, net::kUdpHeader);
  backend.protocol_at = static_cast<uint8_t>(backend.headers_length + 1);
  append(backend, kGueHeader);
}

uint8_t traffic_class(const InnerPacket& inner) {
  return inner.is_v6 ? static_cast<uint8_t>(inner.ip[0] << 4 | inner.ip[1] >> 4) : inner.ip[1];
}

// The sum, in the machine's order, that a byte at an odd offset of a header adds.
uint64_t odd_byte(uint8_t value) { return uint64_t{value} << 8; }

void finish_ipv4(uint8_t* ip, const Backend& backend, const InnerPacket& inner, uint8_t protocol, uint16_t hint) {
  const auto length = static_cast<uint16_t>(inner.length + backend.overhead);
  store_u16(ip + 2, length);
  ip[1] = traffic_class(inner);
  uint64_t sum = backend.checksum + net::load_checksum(ip + 2) + odd_byte(ip[1]) + odd_byte(protocol);
  if (backend.mcphint) sum += hint;
  net::store_checksum(ip + 10, net::checksum_finish(sum));
}

void finish_ipv6(uint8_t* ip, const Backend& backend, const InnerPacket& inner) {
  const uint8_t traffic = traffic_class(inner);
  ip[0] = static_cast<uint8_t>(0x60 | traffic >> 4);
  ip[1] = static_cast<uint8_t>(traffic << 4 | (inner.hash & 0x0f));
  store_u16(ip + 2, hint_of(inner.hash));  // the flow label (RFC 6438)
  store_u16(ip + 4, static_cast<uint16_t>(inner.length + backend.overhead - net::kIpv6Header));
}

// In pieces of 16 bytes; what is written too much in front is room of the packet that nobody uses.
void copy_headers(uint8_t* end, const Backend& backend) {
  constexpr ptrdiff_t kPiece = 16;
  const uint8_t* headers_end = backend.headers.data() + backend.headers.size();
  for (ptrdiff_t at = kPiece; at < backend.headers_length + kPiece; at += kPiece)
    std::memcpy(end - at, headers_end - at, kPiece);
}

}  // namespace

void make_headers(Backend& backend, const LinkFacts& link, const Configuration& configuration) {
  backend.headers = {};
  backend.headers_length = 0;
  const bool is_v6 = backend.outer_v6;
  const flowsteer::McphintConfig& mcphint = configuration.mcphint;
  backend.overhead = 0;
  backend.needs_hash =
      backend.mcphint || is_v6 || backend.forwarding == Forwarding::kGue || backend.forwarding == Forwarding::kNat;
  if (!is_tunnel(backend)) return;
  const bool is_gue = backend.forwarding == Forwarding::kGue;
  append_ethernet(backend, link, is_v6);
  backend.outer_at = backend.headers_length;
  const uint8_t protocol = is_gue ? net::kProtocolUdp : 0;
  is_v6 ? append_ipv6(backend, link, protocol, mcphint) : append_ipv4(backend, link, protocol, mcphint);
  if (is_gue) append_gue(backend, configuration.gue_port);
  backend.overhead = static_cast<uint16_t>(backend.headers_length - backend.outer_at);
  std::ranges::rotate(backend.headers, backend.headers.begin() + backend.headers_length);
}

ReadyTunnel::ReadyTunnel(const Backend& backend, const net::MacAddress& to) {
  const uint8_t* frame = backend.headers.data() + backend.headers.size() - backend.headers_length;
  const uint8_t* outer = frame + net::kEthernetHeader;
  std::memcpy(link_.data(), frame, link_.size());
  std::memcpy(link_.data(), to.bytes.data(), to.bytes.size());
  std::memcpy(&front_, outer, sizeof front_);
  std::memcpy(&middle_, outer + 8, sizeof middle_);
  std::memcpy(&addresses_, outer + 12, sizeof addresses_);
  middle_ |= uint32_t{kProtocolIpv4} << 8;
  std::array<uint8_t, net::kIpv4Header> header;
  std::memcpy(header.data(), outer, header.size());
  std::memcpy(header.data() + 8, &middle_, sizeof middle_);
  // In the machine's order, like the words that are added to it.
  sum_ = static_cast<uint16_t>(~net::checksum_finish(net::checksum_add(0, header)));
}

void insert_hint(Packet& packet, const InnerPacket& inner, const flowsteer::McphintConfig& mcphint) {
  if (!inner.is_v6 && (inner.ip[0] & 15) == 15) return;  // no room for another option
  const size_t fixed = inner.is_v6 ? net::kIpv6Header : net::kIpv4Header;
  const size_t added = inner.is_v6 ? flowsteer::kMcphint6 : flowsteer::kMcphint4;
  const auto front = static_cast<size_t>(inner.ip - packet.data()) + fixed;
  packet.offset = static_cast<uint16_t>(packet.offset - added);
  packet.length = static_cast<uint16_t>(packet.length + added);
  std::memmove(packet.data(), packet.data() + added, front);
  uint8_t* ip = inner.ip - added;
  if (inner.is_v6) {
    write_mcphint6(ip + fixed, mcphint, ip[6], hint_of(inner.hash));
    ip[6] = mcphint6_header(mcphint);
    store_u16(ip + 4, static_cast<uint16_t>(net::load_u16(ip + 4) + added));
    return;
  }
  write_mcphint4(ip + fixed, mcphint, hint_of(inner.hash));
  ++ip[0];
  store_u16(ip + 2, static_cast<uint16_t>(net::load_u16(ip + 2) + added));
  store_u16(ip + 10, 0);
  net::store_checksum(ip + 10, net::checksum_finish(net::checksum_add(0, {ip, (ip[0] & 15u) * 4u})));
}

void write_tunnel(Packet& packet, const InnerPacket& inner, const Backend& backend, const net::MacAddress& to) {
  uint8_t* frame = inner.ip - backend.headers_length;
  copy_headers(inner.ip, backend);
  std::memcpy(frame, to.bytes.data(), 6);
  packet.offset = static_cast<uint16_t>(frame - packet.buffer);
  packet.length = static_cast<uint16_t>(backend.headers_length + inner.length);
  packet.flags = 0;

  const uint8_t protocol = inner.is_v6 ? kProtocolIpv6 : kProtocolIpv4;
  frame[backend.protocol_at] = protocol;
  uint16_t hint = 0;
  if (backend.mcphint) {
    store_u16(frame + backend.hint_at, hint_of(inner.hash));
    hint = net::load_checksum(frame + backend.hint_at);
  }
  const bool is_gue = backend.forwarding == Forwarding::kGue;
  uint8_t* ip = frame + backend.outer_at;
  if (backend.outer_v6) {
    finish_ipv6(ip, backend, inner);
  } else {
    finish_ipv4(ip, backend, inner, is_gue ? 0 : protocol, hint);
  }
  if (is_gue) {
    uint8_t* udp = inner.ip - kGueHeader - net::kUdpHeader;
    store_u16(udp, static_cast<uint16_t>(kFirstSourcePort | (inner.hash & 0x3fff)));
    store_u16(udp + 4, static_cast<uint16_t>(net::kUdpHeader + kGueHeader + inner.length));
  }
}

}  // namespace viaduct::lb
