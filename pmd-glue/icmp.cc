#include "pmd-glue/icmp.h"

#include <algorithm>

#include "pmd-glue/checksum.h"
#include "pmd-glue/neighbour_discovery.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr size_t kIcmpHeader = 8;
constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kEchoRequest = 8;
constexpr uint8_t kFragmentationNeeded = 4;  // a code of kUnreachable
constexpr uint8_t kPacketTooBig6 = 2, kEchoRequest6 = 128, kEchoReply6 = 129;
constexpr uint8_t kAnswerHopLimit = 64;

// RFC 1191 allows less, but nothing that carries QUIC has a smaller one (RFC 9000 section 14 needs 1,200 bytes; the
// transport decides what to do about a path that cannot).
constexpr uint16_t kLeastMtu4 = 576;
constexpr uint16_t kLeastMtu6 = 1280;

void swap_ranges(uint8_t* a, uint8_t* b, size_t size) { std::swap_ranges(a, a + size, b); }

bool icmp6_checksum_is_good(Bytes packet, const IpHeader& ip) {
  const uint64_t pseudo = pseudo_header_sum(packet.subspan(8, 32), kProtocolIcmpv6, ip.payload_length);
  return checksum_fold(checksum_add(pseudo, packet.subspan(ip.length, ip.payload_length))) == 0xffff;
}

// Hands a path-MTU message up if the packet that it quotes can be one of ours.
// meets RFC 9000 14.2.1-2 14.2.1-3 14.2.1-4 14.2.1-5
Verdict take_path_mtu(Bytes quoted, bool is_v6, uint32_t mtu, const IcmpContext& context) {
  IpHeader inner;
  if (!read_quoted_ip(quoted, is_v6, inner) || inner.protocol != kProtocolUdp) return kIcmpPathMtuRefused;
  const Bytes udp = quoted.subspan(inner.length);
  if (udp.size() < kUdpHeader) return kIcmpPathMtuRefused;
  PathMtuMessage message;
  message.path = {{inner.source, load_u16(udp.data())}, {inner.destination, load_u16(udp.data() + 2)}};
  const bool is_from_us =
      context.interface.is_local(inner.source) && context.interface.listens_on(message.path.local.port);
  // An MTU that the quoted packet fits into cannot have been the reason.
  const uint32_t quoted_size = is_v6 ? kIpv6Header + inner.payload_length : inner.length + inner.payload_length;
  const uint16_t least = is_v6 ? kLeastMtu6 : kLeastMtu4;
  if (!is_from_us || mtu < least || mtu >= context.link_mtu || mtu >= quoted_size) return kIcmpPathMtuRefused;

  message.mtu = static_cast<uint16_t>(mtu);
  message.udp_payload = static_cast<uint16_t>(mtu - (is_v6 ? kIpv6Header : kIpv4Header) - kUdpHeader);
  const Bytes payload = udp.subspan(kUdpHeader);
  message.quoted_length = static_cast<uint8_t>(std::min(payload.size(), message.quoted.size()));
  std::copy_n(payload.begin(), message.quoted_length, message.quoted.begin());
  context.interface.path_mtu().write(message);
  return kIcmpPathMtu;
}

// Exchanges type and code and updates the checksum for it (RFC 1624).
void retype(uint8_t* icmp, uint8_t type) {
  const uint16_t before = load_checksum(icmp);
  icmp[0] = type;
  const uint16_t after = load_checksum(icmp);
  const uint64_t sum =
      uint64_t{static_cast<uint16_t>(~load_checksum(icmp + 2))} + static_cast<uint16_t>(~before) + after;
  store_checksum(icmp + 2, checksum_finish(sum));
}

IcmpResult answer_echo4(MutableBytes packet, const IpHeader& ip) {
  uint8_t* p = packet.data();
  retype(p + ip.length, kEchoReply);
  swap_ranges(p + 12, p + 16, 4);
  p[8] = kAnswerHopLimit;
  store_checksum(p + 10, 0);
  store_checksum(p + 10, checksum_finish(checksum_add(0, packet.first(ip.length))));
  return {kIcmpEchoAnswered, true, static_cast<uint16_t>(packet.size())};
}

IcmpResult answer_echo6(MutableBytes packet, const IpHeader& ip) {
  uint8_t* p = packet.data();
  retype(p + ip.length, kEchoReply6);
  swap_ranges(p + 8, p + 24, 16);
  p[7] = kAnswerHopLimit;
  return {kIcmpEchoAnswered, true, static_cast<uint16_t>(packet.size())};
}

}  // namespace

bool EchoLimit::take(Instant now) {
  if (now - filled_ >= Duration::seconds(1)) {
    tokens_ = per_second_;
    filled_ = now;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

IcmpResult handle_icmp4(MutableBytes packet, const IpHeader& ip, const IcmpContext& context) {
  const MutableBytes icmp = packet.subspan(ip.length);
  if (icmp.size() < kIcmpHeader || checksum_fold(checksum_add(0, icmp)) != 0xffff) return {kIcmpMalformed};
  if (icmp[0] == kEchoRequest && icmp[1] == 0) {
    if (!context.echo_limit.take(context.now)) return {kIcmpEchoLimited};
    return answer_echo4(packet, ip);
  }
  if (icmp[0] == kUnreachable && icmp[1] == kFragmentationNeeded) {
    return {take_path_mtu(icmp.subspan(kIcmpHeader), false, load_u16(icmp.data() + 6), context)};
  }
  return {kIcmpIgnored};
}

IcmpResult handle_icmp6(MutableBytes packet, const IpHeader& ip, const IcmpContext& context) {
  const MutableBytes icmp = packet.subspan(ip.length);
  if (icmp.size() < kIcmpHeader || !icmp6_checksum_is_good(packet, ip)) return {kIcmpMalformed};
  if (is_neighbour_discovery(icmp[0])) return handle_neighbour_discovery(packet, ip, context);
  if (icmp[0] == kEchoRequest6 && icmp[1] == 0) {
    // An answer must come from the address that was asked; a group is none.
    if (!context.interface.is_ours(ip.destination) || ip.length != kIpv6Header) return {kIcmpIgnored};
    if (!context.echo_limit.take(context.now)) return {kIcmpEchoLimited};
    return answer_echo6(packet, ip);
  }
  if (icmp[0] == kPacketTooBig6) {
    const uint32_t mtu = uint32_t{load_u16(icmp.data() + 4)} << 16 | load_u16(icmp.data() + 6);
    return {take_path_mtu(icmp.subspan(kIcmpHeader), true, mtu, context)};
  }
  return {kIcmpIgnored};
}

}  // namespace viaduct::net
