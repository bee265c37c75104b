#include "apps/lb/frame_stage.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "apps/lb/verdicts.h"
#include "flowsteer/invariants.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

using net::load_u16;

void end(Burst& burst, unsigned i, Verdict verdict) {
  burst.kind[i] = FrameKind::kEnded;
  burst.verdict[i] = verdict;
}

bool is_icmp_error(const uint8_t* icmp, bool is_v6) {
  const uint8_t type = icmp[0];
  return is_v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

// What RFC 8999 says of the first packet of the datagram. One that ends too early has no connection IDs: it is routed
// by its addresses like anything else that has none.
inline void read_invariants(Burst& burst, unsigned i, Slice payload) {
  burst.is_long[i] = false;
  const uint8_t* p = payload.data;
  if (payload.size > 0 && !(p[0] & flowsteer::kLongHeaderBit)) [[likely]] {
    burst.dcid[i] = {p + 1, static_cast<uint16_t>(payload.size - 1)};
    return;
  }
  burst.dcid[i] = {};
  constexpr unsigned kDcidLengthAt = 5;
  if (payload.size <= kDcidLengthAt) return;
  const unsigned dcid = p[kDcidLengthAt], scid_at = kDcidLengthAt + 1 + dcid;
  if (payload.size <= scid_at || payload.size < scid_at + 1 + p[scid_at]) return;
  burst.is_long[i] = true;
  burst.dcid[i] = {p + kDcidLengthAt + 1, static_cast<uint16_t>(dcid)};
  burst.scid[i] = {p + scid_at + 1, p[scid_at]};
}

// A datagram for one of our addresses that is no service's, if it is for us.
void take_other_udp(Burst& burst, unsigned i, uint16_t port, const RoutingSnapshot& snapshot, const FrameFacts& facts) {
  const uint8_t* ip = burst.ip[i];
  const IpAddress to = burst.is_v6[i] ? IpAddress::v6(ip + 24) : IpAddress::v4(ip + 16);
  if (snapshot.is_virtual(to)) return end(burst, i, kServicePortClosed);
  const bool is_ours = to == snapshot.link().source4 || to == snapshot.link().source6;
  if (is_ours && port >= facts.first_nat_port && port <= facts.last_nat_port) burst.kind[i] = FrameKind::kNatReturn;
}

// A datagram whose UDP header is whole.
[[gnu::always_inline]] inline void take_udp(Burst& burst, unsigned i, const RoutingSnapshot& snapshot,
                                            const FrameFacts& facts) {
  const uint8_t* ip = burst.ip[i];
  const uint8_t* udp = ip + burst.ip_header[i];
  const unsigned room = burst.ip_length[i] - burst.ip_header[i];
  const uint16_t length = room < net::kUdpHeader ? 0 : load_u16(udp + 4);
  if (length < net::kUdpHeader || length > room) return end(burst, i, net::kUdpMalformed);
  const uint16_t port = load_u16(udp + 2);
  const ServiceTable& services = snapshot.service_table();
  const uint16_t service = burst.is_v6[i] ? services.find(ip + 24, port) : services.find4(ip + 16, port);
  burst.service[i] = service;
  if (service == ServiceTable::kNone) [[unlikely]]
    return take_other_udp(burst, i, port, snapshot, facts);
  if (load_u16(udp) == 0) return end(burst, i, net::kUdpMalformed);  // nobody could answer
  burst.kind[i] = FrameKind::kDatagram;
  burst.payload[i] = {udp + net::kUdpHeader, static_cast<uint16_t>(length - net::kUdpHeader)};
  read_invariants(burst, i, burst.payload[i]);
}

// One of a service's addresses hears of something that one of its servers sent, or we of something that we sent.
void take_icmp(Burst& burst, unsigned i, const RoutingSnapshot& snapshot) {
  const uint8_t* ip = burst.ip[i];
  if (burst.ip_length[i] < burst.ip_header[i] + 8u) return;
  const IpAddress to = burst.is_v6[i] ? IpAddress::v6(ip + 24) : IpAddress::v4(ip + 16);
  if (!is_icmp_error(ip + burst.ip_header[i], burst.is_v6[i])) return;
  if (snapshot.is_virtual(to))
    burst.kind[i] = FrameKind::kIcmpError;
  else if (to == snapshot.link().source4 || to == snapshot.link().source6)
    burst.kind[i] = FrameKind::kOwnIcmpError;
}

void take_ip(Burst& burst, unsigned i, const net::IpHeader& header, const RoutingSnapshot& snapshot,
             const FrameFacts& facts) {
  burst.is_v6[i] = header.is_v6;
  burst.ip_header[i] = header.length;
  burst.ip_length[i] = static_cast<uint16_t>(header.length + header.payload_length);
  if (header.protocol == net::kProtocolUdp) {
    take_udp(burst, i, snapshot, facts);
  } else if (header.protocol == (header.is_v6 ? net::kProtocolIcmpv6 : net::kProtocolIcmp)) {
    take_icmp(burst, i, snapshot);
  }
}

template <class Word>
Word load(const uint8_t* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// A number as a header has it, read like one of this machine's.
constexpr uint16_t wire(uint16_t value) { return std::byteswap(value); }
static_assert(std::endian::native == std::endian::little);

// Without options. The sum in ones' complement is a remainder of division by 0xffff, and that of a right header is 0.
inline bool is_ipv4_checksum_good(const uint8_t* ip) {
  uint64_t sum = 0;
  for (size_t at = 0; at < net::kIpv4Header; at += 4) sum += load<uint32_t>(ip + at);
  return sum % 0xffff == 0;
}

// Our address in the low 48 bits of a word, as it stands in front of a frame.
constexpr uint64_t kAddress = (uint64_t{1} << 48) - 1;
uint64_t word_of(const net::MacAddress& mac) {
  uint64_t word = 0;
  std::memcpy(&word, mac.bytes.data(), mac.bytes.size());
  return word;
}

// The frame that nearly all are: no tag, IPv4 without options or IPv6 without extensions, UDP, whole, no fragment.
// False for any other, which is then looked at closely; so is one where something is wrong, to find out what.
inline bool read_usual(Burst& burst, unsigned i, uint64_t own) {
  Packet& packet = *burst.packet[i];
  const uint8_t* frame = packet.data();
  uint8_t* ip = packet.data() + net::kEthernetHeader;
  if (packet.length < net::kEthernetHeader + net::kIpv4Header + net::kUdpHeader ||
      (load<uint64_t>(frame) & kAddress) != own)
    return false;
  const auto type = load<uint16_t>(frame + 12);
  const size_t room = packet.length - net::kEthernetHeader;
  burst.ip[i] = ip;
  if (type == wire(net::kEtherTypeIpv4)) {
    const uint16_t length = load_u16(ip + 2);
    const bool is_plain = ip[0] == 0x45 && (load<uint16_t>(ip + 6) & wire(0x3fff)) == 0 && ip[9] == net::kProtocolUdp;
    if (!is_plain || length > room || length < net::kIpv4Header || packet.flags & net::FramePort::kIpChecksumBad)
      return false;
    if (!(packet.flags & net::FramePort::kIpChecksumGood) && !is_ipv4_checksum_good(ip)) return false;
    burst.is_v6[i] = false;
    burst.ip_length[i] = length;
    burst.ip_header[i] = net::kIpv4Header;
    return true;
  }
  if (type != wire(net::kEtherTypeIpv6) || room < net::kIpv6Header || ip[0] >> 4 != 6 || ip[6] != net::kProtocolUdp)
    return false;
  const size_t length = net::kIpv6Header + load_u16(ip + 4);
  burst.is_v6[i] = true;
  burst.ip_length[i] = static_cast<uint16_t>(length);
  burst.ip_header[i] = net::kIpv6Header;
  return length <= room;
}

// Any frame.
[[gnu::noinline]] void parse_closely(Burst& burst, unsigned i, const RoutingSnapshot& snapshot,
                                     const FrameFacts& facts) {
  Packet& packet = *burst.packet[i];
  net::EthernetHeader ethernet;
  if (const Verdict verdict = read_ethernet(packet.bytes(), ethernet); verdict != Verdict::kNone)
    return end(burst, i, verdict);
  if (ethernet.destination != facts.mac) return;  // the link side knows about groups
  if (ethernet.vlan != facts.vlan) return end(burst, i, net::kVlanUnexpected);
  const bool is_v6 = ethernet.type == net::kEtherTypeIpv6;
  if (!is_v6 && ethernet.type != net::kEtherTypeIpv4) return;

  burst.ip[i] = packet.data() + ethernet.length;
  const Bytes bytes = packet.bytes().subspan(ethernet.length);
  net::IpHeader header;
  Verdict verdict = Verdict::kNone;
  if (is_v6) {
    verdict = read_ipv6(bytes, header);
  } else if (packet.flags & net::FramePort::kIpChecksumBad) {
    verdict = net::kIpv4ChecksumWrong;
  } else {
    verdict = read_ipv4(bytes, packet.flags & net::FramePort::kIpChecksumGood, header);
  }
  if (verdict != Verdict::kNone) return end(burst, i, verdict);
  take_ip(burst, i, header, snapshot, facts);
}

}  // namespace

void parse_frames(Burst& burst, const RoutingSnapshot& snapshot, const FrameFacts& facts, SlotList& datagrams) {
  // The port asked for both lines of each frame; where a neighbour on the core has pushed them out since, they come
  // back from the next cache while the frames before are parsed.
  constexpr unsigned kPacketAhead = 6, kFrameAhead = 3;
  // With tags no frame is a usual one: there is no word that it could begin with.
  const uint64_t own = facts.vlan == 0 ? word_of(facts.mac) : ~kAddress;
  datagrams.clear();
  // Whole columns at once take fewer stores than what is there of them one by one.
  std::ranges::fill(burst.kind, FrameKind::kLink);
  std::ranges::fill(burst.verdict, Verdict::kNone);
  std::ranges::fill(burst.slot, kNoSlot);
  std::ranges::fill(burst.step, RoutingStep::kNone);
  std::ranges::fill(burst.service, ServiceTable::kNone);
  for (unsigned i = 0; i < burst.count; ++i) {
    if (i + kPacketAhead < burst.count) __builtin_prefetch(burst.packet[i + kPacketAhead]);
    if (i + kFrameAhead < burst.count) __builtin_prefetch(burst.packet[i + kFrameAhead]->data());
    if (read_usual(burst, i, own)) [[likely]] {
      take_udp(burst, i, snapshot, facts);
    } else {
      parse_closely(burst, i, snapshot, facts);
    }
    if (burst.kind[i] == FrameKind::kDatagram) datagrams.push(i);
  }
}

}  // namespace viaduct::lb
