#include "apps/lb/owners.h"

#include "apps/lb/flow_hash.h"
#include "apps/lb/icmp_messages.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

unsigned Owners::owner_of(Packet& frame, const RoutingSnapshot& snapshot) const {
  net::EthernetHeader ethernet;
  if (read_ethernet(frame.bytes(), ethernet) != Verdict::kNone) return worker;
  const bool is_v6 = ethernet.type == net::kEtherTypeIpv6;
  if (!is_v6 && ethernet.type != net::kEtherTypeIpv4) return worker;
  const MutableBytes packet = frame.bytes().subspan(ethernet.length);
  net::IpHeader ip;
  // Whether the checksum is right is the owner's to find out.
  if ((is_v6 ? read_ipv6(packet, ip) : read_ipv4(packet, true, ip)) != Verdict::kNone) return worker;

  const FlowHash hash(snapshot.configuration().hash_key);
  if (ip.protocol == net::kProtocolUdp && ip.payload_length >= net::kUdpHeader) {
    const uint8_t* udp = packet.data() + ip.length;
    const uint16_t port = net::load_u16(udp + 2);
    const bool is_ours = ip.destination == snapshot.link().source4 || ip.destination == snapshot.link().source6;
    if (is_ours && is_of_translated(port)) return by_port(port);
    return hand_off ? by_hash(hash.of_packet(packet.data(), is_v6, udp)) : worker;
  }
  const bool is_of_ours = ip.destination == snapshot.link().source4 || ip.destination == snapshot.link().source6;
  const bool is_of_flow = hand_off && snapshot.is_virtual(ip.destination);
  if (!is_of_ours && !is_of_flow) return worker;
  if (ip.protocol != (is_v6 ? net::kProtocolIcmpv6 : net::kProtocolIcmp)) return worker;
  const InnerPacket message{packet.data(), static_cast<uint16_t>(ip.length + ip.payload_length), is_v6, 0};
  if (is_of_ours) {
    const auto ours = read_quoted_of_ours(message, ip.length, snapshot.configuration().gue_port);
    return ours && ours->is_enough && !ours->is_tunnelled ? by_port(ours->source.port) : worker;
  }
  const auto quoted = read_quoted(message, ip.length);
  return quoted ? by_hash(hash.of_addresses(quoted->destination, quoted->source)) : worker;
}

}  // namespace viaduct::lb
