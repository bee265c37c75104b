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
