#include "apps/lb/health_channel.h"

#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

bool HealthChannel::take(Bytes frame, const LinkFacts& link) {
  net::EthernetHeader ethernet;
  if (read_ethernet(frame, ethernet) != Verdict::kNone || ethernet.destination != link.mac) return false;
  const bool is_v6 = ethernet.type == net::kEtherTypeIpv6;
  if (!is_v6 && ethernet.type != net::kEtherTypeIpv4) return false;
  const Bytes packet = frame.subspan(ethernet.length);
  net::IpHeader ip;
  if ((is_v6 ? read_ipv6(packet, ip) : read_ipv4(packet, false, ip)) != Verdict::kNone) return false;
  if (ip.protocol != net::kProtocolUdp || ip.payload_length < net::kUdpHeader) return false;
  if (ip.destination != link.source4 && ip.destination != link.source6) return false;
  const Bytes udp = packet.subspan(ip.length, ip.payload_length);
  if (net::load_u16(udp.data() + 2) != kProbePort) return false;
  const auto token = read_probe_answer(udp.subspan(net::kUdpHeader), {ip.source, net::load_u16(udp.data())});
  return token && answers_.push(*token);
}

void HealthChannel::step(Router& router, const RoutingSnapshot& snapshot) {
  for (Probe probe; ready_.size() < kMostReady && questions_.pop(probe);) {
    if (probe.slot >= snapshot.backends().size()) continue;
    router.take_snapshot(snapshot);
    const net::MacAddress* to = router.next_hops().find(snapshot.backend(probe.slot).next_hop);
    if (to) ready_.push_back({probe, *to});
  }
}

}  // namespace viaduct::lb
