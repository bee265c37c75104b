// The receiving half of UdpPort: what becomes of each frame.
#include <algorithm>

#include "pmd-glue/arp.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/tunnel.h"
#include "pmd-glue/udp_state.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

// RFC 1122 section 3.2.1.3 and RFC 4291 section 2.7: addresses that nobody can send from, and our own.
bool is_source_refused(const IpAddress& ip, const IpInterface& interface) {
  if (ip.is_v4()) {
    const uint8_t first = ip.v4_bytes()[0];
    if (first == 0 || first == 127 || first >= 224) return true;
  } else if (ip.bytes[0] == 0xff) {
    return true;
  }
  return interface.is_ours(ip);
}

// Duplicate address detection comes from no address (RFC 4862 section 5.4).
bool may_be_unspecified(const IpHeader& ip) { return ip.is_v6 && ip.protocol == kProtocolIcmpv6; }

// Verifies a datagram's checksum in software. Verdict::kNone if it is good, or counts as such.
Verdict check_udp_checksum(Bytes packet, const IpHeader& ip, Bytes udp, bool accept_partial, bool& is_partial) {
  const uint16_t field = load_checksum(udp.data() + 6);
  if (field == 0) return ip.is_v6 ? kUdpChecksumMissing : Verdict::kNone;
  const Bytes addresses = ip.is_v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const uint64_t pseudo = pseudo_header_sum(addresses, kProtocolUdp, static_cast<uint16_t>(udp.size()));
  // A virtual cable hands over what the sender's kernel left for a device to complete.
  is_partial = accept_partial && field == checksum_fold(pseudo);
  if (is_partial || checksum_fold(checksum_add(pseudo, udp)) == 0xffff) return Verdict::kNone;
  return kUdpChecksumWrong;
}

// Unreachable and too big: nothing that is answered.
bool is_icmp_error(const IpHeader& ip, uint8_t type) {
  return ip.is_v6 ? ip.protocol == kProtocolIcmpv6 && type >= 1 && type <= 4
                  : ip.protocol == kProtocolIcmp && type == 3;
}

void turn_around(uint8_t* frame, const MacAddress& our_mac, const MacAddress& to) {
  if (to.is_zero()) {
    std::memcpy(frame, frame + 6, 6);
  } else {
    std::memcpy(frame, to.bytes.data(), 6);
  }
  std::memcpy(frame + 6, our_mac.bytes.data(), 6);
}

}  // namespace

size_t UdpPort::receive(std::span<Packet*> burst) {
  const size_t received = frames_.receive(burst.first(std::min<size_t>(burst.size(), 2 * kBurst)));
  const Instant now = interface_.now();
  size_t delivered = 0;
  for (size_t i = 0; i < received; ++i) {
    Packet* packet = burst[i];
    const Verdict verdict = take_frame(*packet, now);
    if (verdict == Verdict::kNone) {
      burst[delivered++] = packet;
    } else {
      frames_.verdicts().count(verdict);
      // An answer has been made of some: those are in state_->answers.
      if (state_->answer_count == 0 || state_->answers[state_->answer_count - 1] != packet) {
        state_->finished[state_->finished_count++] = packet;
      }
    }
  }
  if (delivered > 0) bump(counters_.delivered, delivered);
  if (state_->finished_count > 0) {
    frames_.release(std::span(state_->finished).first(state_->finished_count));
    state_->finished_count = 0;
  }
  serve(now);
  return delivered;
}

Verdict UdpPort::take_frame(Packet& packet, Instant now) {
  EthernetHeader ethernet;
  if (const Verdict verdict = read_ethernet(packet.bytes(), ethernet); verdict != Verdict::kNone) return verdict;
  if (ethernet.destination != frames_.mac() && !ethernet.destination.is_group()) return kFrameNotForUs;
  if (ethernet.vlan != interface_.config().vlan.value_or(0)) return kVlanUnexpected;
  switch (ethernet.type) {
    case kEtherTypeIpv4:
    case kEtherTypeIpv6:
      return take_ip(packet, ethernet, now);
    case kEtherTypeArp:
      return take_arp(packet, ethernet, now);
    default:
      return kProtocolUnknown;
  }
}

Verdict UdpPort::take_arp(Packet& packet, const EthernetHeader& ethernet, Instant now) {
  const ArpResult result = handle_arp(packet.bytes().subspan(ethernet.length), interface_, frames_.mac(), now);
  if (result.learned) interface_.wake_waiting();
  if (result.answer) answer_with(packet, ethernet.length + kArpSize, {});
  return result.verdict;
}

Verdict UdpPort::take_ip(Packet& packet, const EthernetHeader& ethernet, Instant now) {
  const MutableBytes bytes = packet.bytes().subspan(ethernet.length);
  IpHeader ip;
  Verdict verdict = Verdict::kNone;
  if (ethernet.type == kEtherTypeIpv6) {
    verdict = read_ipv6(bytes, ip);
  } else if (packet.flags & FramePort::kIpChecksumBad) {
    verdict = kIpv4ChecksumWrong;
  } else {
    verdict = read_ipv4(bytes, packet.flags & FramePort::kIpChecksumGood, ip);
  }
  if (verdict != Verdict::kNone) return verdict;
  if (!interface_.is_for_us(ip.destination)) return kIpNotOurs;
  if (is_source_refused(ip.source, interface_)) return kIpSourceRefused;
  if (ip.source == IpAddress{} && !may_be_unspecified(ip)) return kIpSourceRefused;

  const MutableBytes whole = bytes.first(ip.length + ip.payload_length);
  const auto tunnelled = open_tunnel(whole, ip, interface_.config().tunnels);
  if (!tunnelled) return interface_.may_tunnel(ip.source) ? tunnelled.error() : kTunnelRefused;
  if (*tunnelled) return take_tunnelled(packet, **tunnelled, ip, now);
  if (ip.protocol == kProtocolUdp) return take_udp(packet, whole, ip);
  const IcmpContext context{interface_, state_->echo_limit, frames_.mac(), frames_.mtu(), now};
  IcmpResult result{kIpProtocolUnhandled};
  if (!ip.is_v6 && ip.protocol == kProtocolIcmp) result = handle_icmp4(whole, ip, context);
  if (ip.is_v6 && ip.protocol == kProtocolIcmpv6) result = handle_icmp6(whole, ip, context);
  if (result.learned) interface_.wake_waiting();
  if (result.answer) answer_with(packet, ethernet.length + result.answer_length, result.answer_to);
  return result.verdict;
}

// What a balancer sends us: datagrams for its addresses, and errors about ours that came to it.
Verdict UdpPort::take_tunnelled(Packet& packet, const Tunnelled& tunnelled, const IpHeader& outer, Instant now) {
  if (!interface_.may_tunnel(outer.source)) return kTunnelRefused;
  IpHeader ip;
  const Verdict verdict = tunnelled.is_v6 ? read_ipv6(tunnelled.packet, ip) : read_ipv4(tunnelled.packet, false, ip);
  if (verdict != Verdict::kNone) return verdict == kIpFragment ? verdict : kTunnelMalformed;
  if (!interface_.is_local(ip.destination)) return kIpNotOurs;
  if (is_source_refused(ip.source, interface_)) return kIpSourceRefused;
  const auto ecn = combined_ecn(outer.ecn, ip.ecn);
  if (!ecn) return kTunnelEcnRefused;
  ip.ecn = *ecn;

  const MutableBytes whole = tunnelled.packet.first(ip.length + ip.payload_length);
  packet.flags = 0;  // what the device verified was the outer packet
  if (ip.protocol == kProtocolUdp) return take_udp(packet, whole, ip);
  const bool is_error = !whole.subspan(ip.length).empty() && is_icmp_error(ip, whole[ip.length]);
  if (!is_error) return kIpProtocolUnhandled;
  const IcmpContext context{interface_, state_->echo_limit, frames_.mac(), frames_.mtu(), now};
  return (ip.is_v6 ? handle_icmp6(whole, ip, context) : handle_icmp4(whole, ip, context)).verdict;
}

// Leaves the packet as its payload, with its path.
Verdict UdpPort::take_udp(Packet& packet, Bytes whole, const IpHeader& ip) {
  Bytes udp = whole.subspan(ip.length);
  if (udp.size() < kUdpHeader) return kUdpMalformed;
  const uint16_t udp_length = load_u16(udp.data() + 4);
  if (udp_length < kUdpHeader || udp_length > udp.size()) return kUdpMalformed;
  udp = udp.first(udp_length);
  const SocketAddress local{ip.destination, load_u16(udp.data() + 2)};
  const SocketAddress remote{ip.source, load_u16(udp.data())};
  if (!interface_.listens_on(local.port) || ip.destination.bytes[0] == 0xff || remote.port == 0) return kUdpPortClosed;

  if (packet.flags & FramePort::kUdpChecksumBad) return kUdpChecksumWrong;
  if (!(packet.flags & FramePort::kUdpChecksumGood)) {
    bool is_partial = false;
    const Verdict verdict = check_udp_checksum(whole, ip, udp, frames_.is_virtual(), is_partial);
    if (verdict != Verdict::kNone) return verdict;
    if (is_partial) bump(counters_.partial_checksums);
  }
  packet.offset = static_cast<uint16_t>(udp.data() + kUdpHeader - packet.buffer);
  packet.length = static_cast<uint16_t>(udp_length - kUdpHeader);
  packet.ecn = ip.ecn;
  packet.path = {local, remote};
  return Verdict::kNone;
}

// Queues a frame that was turned into an answer.
void UdpPort::answer_with(Packet& packet, size_t length, const MacAddress& to) {
  turn_around(packet.data(), frames_.mac(), to);
  packet.length = static_cast<uint16_t>(length);
  packet.flags = 0;
  state_->answers[state_->answer_count++] = &packet;
}

std::optional<PathMtuMessage> UdpPort::take_path_mtu() {
  PathMtuMessage message;
  if (!interface_.path_mtu().read(state_->path_mtu_cursor, message)) return std::nullopt;
  return message;
}

}  // namespace viaduct::net
