#include "tools/impair/udp_frame.h"

#include <algorithm>

#include "pmd-glue/udp_headers.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::impair {

std::optional<UdpFrame> read_udp(Bytes frame) {
  UdpFrame result;
  if (read_ethernet(frame, result.ethernet) != Verdict::kNone) return std::nullopt;
  const Bytes packet = frame.subspan(result.ethernet.length);
  net::IpHeader ip;
  Verdict verdict = net::kProtocolUnknown;
  if (result.ethernet.type == net::kEtherTypeIpv4) verdict = net::read_ipv4(packet, false, ip);
  if (result.ethernet.type == net::kEtherTypeIpv6) verdict = net::read_ipv6(packet, ip);
  if (verdict != Verdict::kNone || ip.protocol != net::kProtocolUdp || ip.payload_length < net::kUdpHeader)
    return std::nullopt;
  const Bytes udp = packet.subspan(ip.length, ip.payload_length);
  const size_t length = net::load_u16(udp.data() + 4);
  if (length < net::kUdpHeader || length > udp.size()) return std::nullopt;
  sim::Datagram& datagram = result.datagram;
  datagram.from = {ip.source, net::load_u16(udp.data())};
  datagram.to = {ip.destination, net::load_u16(udp.data() + 2)};
  datagram.ecn = ip.ecn;
  datagram.payload.assign(udp.begin() + net::kUdpHeader, udp.begin() + static_cast<ptrdiff_t>(length));
  return result;
}

bool write_udp(const UdpFrame& frame, Packet& packet) {
  const sim::Datagram& datagram = frame.datagram;
  if (datagram.payload.size() > packet.room()) return false;
  std::ranges::copy(datagram.payload, packet.data());
  packet.length = static_cast<uint16_t>(datagram.payload.size());
  packet.ecn = datagram.ecn;
  net::UdpHeaders headers;
  headers.make({datagram.from, datagram.to}, frame.ethernet.source, frame.ethernet.destination, frame.ethernet.vlan);
  headers.prepend(packet, net::ChecksumFilling::kSoftware);
  return true;
}

}  // namespace viaduct::impair
