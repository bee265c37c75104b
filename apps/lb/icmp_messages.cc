#include "apps/lb/icmp_messages.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pmd-glue/checksum.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

using net::load_u16;
using net::store_u16;

constexpr size_t kIcmpHeader = 8;
constexpr uint8_t kHopByHop = 0, kDestinationOptions = 60;
constexpr uint8_t kUnreachable4 = 3, kFragmentationNeeded = 4, kPacketTooBig6 = 2;
constexpr uint8_t kHopLimit = 64;
// Most that a message may have in all (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
constexpr size_t kMostMessage4 = 576, kMostMessage6 = 1280;

// The checksum of an ICMP message whose field is zero.
uint16_t icmp_checksum(const uint8_t* ip, bool is_v6, Bytes icmp) {
  const uint64_t pseudo =
      is_v6 ? net::pseudo_header_sum({ip + 8, 32}, net::kProtocolIcmpv6, static_cast<uint16_t>(icmp.size())) : 0;
  return net::checksum_finish(net::checksum_add(pseudo, icmp));
}

void set_icmp_checksum(uint8_t* ip, bool is_v6, MutableBytes icmp) {
  store_u16(icmp.data() + 2, 0);
  net::store_checksum(icmp.data() + 2, icmp_checksum(ip, is_v6, icmp));
}

void set_ipv4_checksum(uint8_t* ip) {
  store_u16(ip + 10, 0);
  net::store_checksum(ip + 10, net::checksum_finish(net::checksum_add(0, {ip, (ip[0] & 15u) * 4u})));
}

InnerPacket write_too_big4(const InnerPacket& packet, uint16_t mtu) {
  const size_t quoted = std::min<size_t>(packet.length, kMostMessage4 - net::kIpv4Header - kIcmpHeader);
  uint8_t* icmp = packet.ip - kIcmpHeader;
  uint8_t* ip = icmp - net::kIpv4Header;
  std::memset(ip, 0, net::kIpv4Header + kIcmpHeader);
  icmp[0] = kUnreachable4;
  icmp[1] = kFragmentationNeeded;
  store_u16(icmp + 6, mtu);
  const auto length = static_cast<uint16_t>(net::kIpv4Header + kIcmpHeader + quoted);
  ip[0] = 0x45;
  store_u16(ip + 2, length);
  ip[8] = kHopLimit;
  ip[9] = net::kProtocolIcmp;
  std::memcpy(ip + 12, packet.ip + 16, 4);
  std::memcpy(ip + 16, packet.ip + 12, 4);
  set_icmp_checksum(ip, false, {icmp, kIcmpHeader + quoted});
  set_ipv4_checksum(ip);
  return {ip, length, false, 0};
}

InnerPacket write_too_big6(const InnerPacket& packet, uint16_t mtu) {
  const size_t quoted = std::min<size_t>(packet.length, kMostMessage6 - net::kIpv6Header - kIcmpHeader);
  uint8_t* icmp = packet.ip - kIcmpHeader;
  uint8_t* ip = icmp - net::kIpv6Header;
  std::memset(ip, 0, net::kIpv6Header + kIcmpHeader);
  icmp[0] = kPacketTooBig6;
  store_u16(icmp + 6, mtu);  // the low half of 32 bits
  ip[0] = 0x60;
  store_u16(ip + 4, static_cast<uint16_t>(kIcmpHeader + quoted));
  ip[6] = net::kProtocolIcmpv6;
  ip[7] = kHopLimit;
  std::memcpy(ip + 8, packet.ip + 24, 16);
  std::memcpy(ip + 24, packet.ip + 8, 16);
  set_icmp_checksum(ip, true, {icmp, kIcmpHeader + quoted});
  return {ip, static_cast<uint16_t>(net::kIpv6Header + kIcmpHeader + quoted), true, 0};
}

}  // namespace

InnerPacket write_too_big(const InnerPacket& packet, uint16_t mtu) {
  return packet.is_v6 ? write_too_big6(packet, mtu) : write_too_big4(packet, mtu);
}

bool wants_too_big(const InnerPacket& packet) { return packet.is_v6 || (packet.ip[6] & 0x40) != 0; }

std::optional<QuotedPacket> read_quoted(const InnerPacket& message, uint16_t ip_header) {
  const Bytes icmp(message.ip + ip_header, message.length - ip_header);
  if (icmp.size() < kIcmpHeader || icmp_checksum(message.ip, message.is_v6, icmp) != 0) return std::nullopt;
  const Bytes quoted = icmp.subspan(kIcmpHeader);
  net::IpHeader header;
  if (!read_quoted_ip(quoted, message.is_v6, header) || header.protocol != net::kProtocolUdp) return std::nullopt;
  const Bytes udp = quoted.subspan(header.length);
  if (udp.size() < net::kUdpHeader) return std::nullopt;
  return QuotedPacket{{header.source, load_u16(udp.data())},
                      {header.destination, load_u16(udp.data() + 2)},
                      udp.subspan(net::kUdpHeader)};
}

namespace {

// Where the tunnel's packet begins in what a quoted packet of ours carries; empty where there is no tunnel.
struct TunnelEnd {
  size_t at = 0;
  bool is_v6 = false;
};
std::optional<TunnelEnd> tunnel_end(uint8_t protocol, Bytes carried, uint16_t gue_port) {
  if (protocol == kProtocolIpv4 || protocol == kProtocolIpv6) return TunnelEnd{0, protocol == kProtocolIpv6};
  constexpr size_t kGueProtocolAt = net::kUdpHeader + 1;
  if (protocol != net::kProtocolUdp || carried.size() < net::kUdpHeader || load_u16(carried.data() + 2) != gue_port ||
      load_u16(carried.data()) < kFirstSourcePort)
    return std::nullopt;
  const bool is_v6 = carried.size() > kGueProtocolAt && carried[kGueProtocolAt] == kProtocolIpv6;
  return TunnelEnd{net::kUdpHeader + kGueHeader, is_v6};
}

// The quoted IP header with the one extension header that we put behind it, if any.
bool read_header_of_ours(Bytes quoted, bool is_v6, net::IpHeader& header) {
  if (!read_quoted_ip(quoted, is_v6, header)) return false;
  if (!is_v6 || (header.protocol != kHopByHop && header.protocol != kDestinationOptions)) return true;
  const Bytes options = quoted.subspan(header.length);
  if (options.size() < 2) return false;
  const size_t size = (options[1] + size_t{1}) * 8;
  if (options.size() < size || header.payload_length < size) return false;
  header.protocol = options[0];
  header.length = static_cast<uint16_t>(header.length + size);
  header.payload_length = static_cast<uint16_t>(header.payload_length - size);
  return true;
}

}  // namespace

std::optional<QuotedOfOurs> read_quoted_of_ours(const InnerPacket& message, uint16_t ip_header, uint16_t gue_port) {
  const MutableBytes icmp(message.ip + ip_header, message.length - ip_header);
  if (icmp.size() < kIcmpHeader || icmp_checksum(message.ip, message.is_v6, icmp) != 0) return std::nullopt;
  MutableBytes quoted = icmp.subspan(kIcmpHeader);
  QuotedOfOurs found{.packet = {nullptr, 0, message.is_v6, 0}};
  net::IpHeader header;
  if (!read_header_of_ours(quoted, message.is_v6, header)) return std::nullopt;
  if (const auto inner = tunnel_end(header.protocol, quoted.subspan(header.length), gue_port)) {
    found.is_tunnelled = true;
    found.packet.is_v6 = inner->is_v6;
    found.overhead = header.length + inner->at;
    quoted = quoted.subspan(std::min(found.overhead, quoted.size()));
    if (!read_quoted_ip(quoted, inner->is_v6, header)) return found;
  }
  const bool is_udp = header.protocol == net::kProtocolUdp;
  if (!is_udp && !found.is_tunnelled) return std::nullopt;
  if (!is_udp || quoted.size() < header.length + net::kUdpHeader) return found;
  const uint8_t* udp = quoted.data() + header.length;
  found.source = {header.source, load_u16(udp)};
  found.destination = {header.destination, load_u16(udp + 2)};
  // Whoever quotes chooses the length: a packet of ours has a UDP header and is no longer than IPv4 can say.
  const size_t whole = size_t{header.length} + header.payload_length;
  if (whole > 0xffff || header.payload_length < net::kUdpHeader) return found;
  found.is_enough = true;
  found.packet.ip = quoted.data();
  found.ip_header = header.length;
  found.whole = static_cast<uint16_t>(whole);
  found.packet.length = static_cast<uint16_t>(std::min<size_t>(quoted.size(), whole));
  return found;
}

std::optional<uint16_t> read_too_big(const InnerPacket& message, uint16_t ip_header) {
  const uint8_t* icmp = message.ip + ip_header;
  if (message.is_v6) {
    if (icmp[0] != kPacketTooBig6) return std::nullopt;
    return load_u16(icmp + 4) != 0 ? uint16_t{0xffff} : load_u16(icmp + 6);
  }
  const uint16_t mtu = load_u16(icmp + 6);
  const bool is_told = icmp[0] == kUnreachable4 && icmp[1] == kFragmentationNeeded && mtu != 0;
  return is_told ? std::optional(mtu) : std::nullopt;
}

void translate_quoted(const InnerPacket& message, uint16_t ip_header, const SocketAddress& server,
                      const SocketAddress& translated) {
  const size_t address = message.is_v6 ? 16 : 4, source_at = message.is_v6 ? 8 : 12;
  const auto bytes_of = [&](const IpAddress& ip) { return ip.bytes.data() + 16 - address; };
  uint8_t* ip = message.ip;
  uint8_t* icmp = ip + ip_header;
  uint8_t* quoted = icmp + kIcmpHeader;
  uint8_t* udp = quoted + (message.is_v6 ? net::kIpv6Header : (quoted[0] & 15u) * 4u);
  std::memcpy(quoted + source_at, bytes_of(server.ip), address);
  std::memcpy(quoted + source_at + address, bytes_of(translated.ip), address);
  store_u16(udp, server.port);
  store_u16(udp + 2, translated.port);
  std::memcpy(ip + source_at + address, bytes_of(server.ip), address);
  if (!message.is_v6) {
    set_ipv4_checksum(quoted);
    set_ipv4_checksum(ip);
  }
  set_icmp_checksum(ip, message.is_v6, {icmp, static_cast<size_t>(message.length - ip_header)});
}

}  // namespace viaduct::lb
