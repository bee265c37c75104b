#include "apps/lb/frame_stage.h"

#include <bit>
#include <cstring>

#include "apps/lb/verdicts.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

using net::load_u16;

bool is_icmp_error(const uint8_t* icmp, bool is_v6) {
  const uint8_t type = icmp[0];
  return is_v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

// What RFC 8999 says of the first packet of the datagram, where that has a long header. One that ends too early has no
// connection IDs: it is routed by its addresses like anything else that has none.
void read_long_header(Burst& burst, unsigned i, Slice payload) {
  const uint8_t* p = payload.data;
  constexpr unsigned kDcidLengthAt = 5;
  if (payload.size <= kDcidLengthAt) return;
  const unsigned dcid = p[kDcidLengthAt], scid_at = kDcidLengthAt + 1 + dcid;
  if (payload.size <= scid_at || payload.size < scid_at + 1 + p[scid_at]) return;
  burst.is_long[i] = true;
  burst.long_dcid[i] = {p + kDcidLengthAt + 1, static_cast<uint16_t>(dcid)};
  burst.long_scid[i] = {p + scid_at + 1, p[scid_at]};
}

// A datagram for one of our addresses that is no service's, if it is for us.
void take_other_udp(Burst& burst, unsigned i, uint16_t port, const RoutingSnapshot& snapshot, const FrameFacts& facts) {
  const uint8_t* ip = burst.ip[i];
  const IpAddress to = burst.is_v6[i] ? IpAddress::v6(ip + 24) : IpAddress::v4(ip + 16);
  if (snapshot.is_virtual(to)) return burst.end(i, kServicePortClosed);
  const bool is_ours = to == snapshot.link().source4 || to == snapshot.link().source6;
  if (is_ours && port >= facts.first_nat_port && port <= facts.last_nat_port) burst.kind[i] = FrameKind::kNatReturn;
}

// A datagram whose UDP header is whole.
void take_udp(Burst& burst, unsigned i, const RoutingSnapshot& snapshot, const FrameFacts& facts) {
  const uint8_t* ip = burst.ip[i];
  const uint8_t* udp = ip + burst.ip_header[i];
  const unsigned room = burst.ip_length[i] - burst.ip_header[i];
  const uint16_t length = room < net::kUdpHeader ? 0 : load_u16(udp + 4);
  if (length < net::kUdpHeader || length > room) return burst.end(i, net::kUdpMalformed);
  const uint16_t port = load_u16(udp + 2);
  const ServiceTable& services = snapshot.service_table();
  const uint16_t service = burst.is_v6[i] ? services.find(ip + 24, port) : services.find4(ip + 16, port);
  burst.service[i] = service;
  if (service == ServiceTable::kNone) [[unlikely]]
    return take_other_udp(burst, i, port, snapshot, facts);
  if (load_u16(udp) == 0) return burst.end(i, net::kUdpMalformed);  // nobody could answer
  burst.kind[i] = FrameKind::kDatagram;
  const Slice payload = burst.payload(i);
  if (payload.size > 0 && payload.data[0] & flowsteer::kLongHeaderBit) read_long_header(burst, i, payload);
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

static_assert(std::endian::native == std::endian::little);

// Without options. The sum in ones' complement is a remainder of division by 0xffff, and that of a right header is 0.
// Sums of words of 64 bits leave the same remainder, where what is carried out of them comes in again.
inline bool is_ipv4_checksum_good(const uint8_t* ip) {
  const auto front = load<uint64_t>(ip);
  uint64_t sum = front + load<uint64_t>(ip + 8);
  sum += sum < front;
  const auto destination = load<uint32_t>(ip + 16);
  sum += destination;
  sum += sum < destination;
  return sum % 0xffff == 0;
}

// The frames that nearly all are: no tag, no options or extensions, UDP, whole, no fragment, for a service. Of each it
// finds out what Burst::begin() left open. Any other is looked at closely, and so is one where something is wrong, to
// find out what.
class UsualFrames {
 public:
  // With tags no frame is a usual one.
  explicit UsualFrames(const FrameFacts& facts) : has_tag_(facts.vlan != 0) {
    std::memcpy(&own_, facts.mac.bytes.data(), facts.mac.bytes.size());
  }

  // False where it is none.
  [[gnu::always_inline]] bool read(Burst& burst, unsigned i, const RoutingSnapshot& snapshot) {
    Packet& packet = *burst.packet[i];
    if (((packet.length - kLeast) | (packet.room() - kReadable)) < 0) return false;
    uint8_t* frame = packet.data();
    if (!looks_like_ipv4(frame)) return read_ipv6(burst, i, snapshot);
    uint8_t* ip = frame + net::kEthernetHeader;
    const int length = load_u16(ip + 2);
    if (!fits(packet, ip, net::kIpv4Header, length)) return false;
    if (packet.flags & net::FramePort::kIpChecksumBad) return false;
    if (!(packet.flags & net::FramePort::kIpChecksumGood) && !is_ipv4_checksum_good(ip)) return false;
    if (!find_service(ip, snapshot)) return false;
    note(burst, i, ip, net::kIpv4Header, length);
    return true;
  }
  // Of the frame that was read.
  Slice dcid() const { return dcid_; }
  const Pool& pool() const { return *pool_; }

 private:
  static constexpr uint64_t kNowhere = 0xffff'0000'0000;  // bits that no destination has
  static constexpr int kLeast = net::kEthernetHeader + net::kIpv4Header + net::kUdpHeader + 1;
  // From the start of a frame on: up to the end of what is read of an ID in a long header behind IPv6.
  static constexpr int kReadable =
      net::kEthernetHeader + net::kIpv6Header + net::kUdpHeader + 6 + flowsteer::kReadableId;

  // What does not change from frame to frame, in three words of the machine's order: our address; the type and, behind
  // it, version and length of the header; flags and offset of a fragment, and the protocol.
  bool looks_like_ipv4(const uint8_t* frame) const {
    constexpr uint32_t kTypeAndVersion = 0x45'00'08, kFragmentAndProtocol = 0xff'00'ff'3f;
    const uint64_t mac = (load<uint64_t>(frame) ^ own_) << 16;
    const uint32_t type = (load<uint32_t>(frame + 12) ^ kTypeAndVersion) << 8;
    const uint32_t protocol = (load<uint32_t>(frame + 20) & kFragmentAndProtocol) ^ uint32_t { net::kProtocolUdp }
                                                                                        << 24;
    return (mac | type | protocol | has_tag_) == 0;
  }
  // The same of IPv6: version in the high half of an octet; the next header.
  bool looks_like_ipv6(const uint8_t* frame) const {
    constexpr uint32_t kTypeAndVersion = 0x60'dd'86, kVersionMask = 0xf0'ff'ff;
    const uint64_t mac = (load<uint64_t>(frame) ^ own_) << 16;
    const uint32_t type = (load<uint32_t>(frame + 12) & kVersionMask) ^ kTypeAndVersion;
    return (mac | type | (frame[20] ^ net::kProtocolUdp) | has_tag_) == 0;
  }
  [[gnu::noinline]] bool read_ipv6(Burst& burst, unsigned i, const RoutingSnapshot& snapshot) {
    Packet& packet = *burst.packet[i];
    uint8_t* ip = packet.data() + net::kEthernetHeader;
    const int length = static_cast<int>(net::kIpv6Header) + load_u16(ip + 4);
    if (!looks_like_ipv6(packet.data()) || !fits(packet, ip, net::kIpv6Header, length)) return false;
    if (!take_service(snapshot.service_table().find(ip + 24, load_u16(ip + net::kIpv6Header + 2)), snapshot))
      return false;
    to_ = kNowhere;  // a frame of IPv4 that follows has another service
    burst.is_v6[i] = true;
    burst.ip_header[i] = net::kIpv6Header;
    note(burst, i, ip, net::kIpv6Header, length);
    return true;
  }

  // The packet has room for its length, that for UDP's, and UDP for an octet; there is a source port.
  static bool fits(const Packet& packet, const uint8_t* ip, size_t header, int length) {
    const int udp = load_u16(ip + header + 4), room = packet.length - static_cast<int>(net::kEthernetHeader);
    const int left = length - static_cast<int>(header) - udp, payload = udp - static_cast<int>(net::kUdpHeader);
    return ((room - length) | left | (payload - 1) | (load<uint16_t>(ip + header) - 1)) >= 0;
  }
  // Nearly always that of the frame before: then nothing is looked up.
  bool find_service(const uint8_t* ip, const RoutingSnapshot& snapshot) {
    // An address, a port of the client's, and one of the service's.
    constexpr uint64_t kDestination = ~kNowhere;
    const uint64_t to = load<uint64_t>(ip + 16) & kDestination;
    if (to == to_ && pool_) [[likely]]
      return true;
    if (!take_service(snapshot.service_table().find4(ip + 16, load_u16(ip + net::kIpv4Header + 2)), snapshot))
      return false;
    to_ = to;
    return true;
  }
  bool take_service(uint16_t index, const RoutingSnapshot& snapshot) {
    if (index == ServiceTable::kNone) return false;
    service_ = index;
    pool_ = &snapshot.pool_of(snapshot.service(index));
    return true;
  }
  [[gnu::always_inline]] void note(Burst& burst, unsigned i, uint8_t* ip, size_t header, int length) {
    burst.ip[i] = ip;
    burst.ip_length[i] = static_cast<uint16_t>(length);
    burst.service[i] = service_;
    const uint8_t* quic = ip + header + net::kUdpHeader;
    const auto size = static_cast<uint16_t>(load_u16(ip + header + 4) - net::kUdpHeader);
    dcid_ = {quic + 1, static_cast<uint16_t>(size - 1)};
    if (!(*quic & flowsteer::kLongHeaderBit)) return;
    read_long_header(burst, i, {quic, size});
    dcid_ = burst.is_long[i] ? burst.long_dcid[i] : Slice{quic, 0};
  }

  uint64_t own_ = 0;  // our address, as it stands in front of a frame
  const bool has_tag_;
  // The service of the last frame, its pool, and what packets of IPv4 for it are sent to.
  uint64_t to_ = kNowhere;
  uint16_t service_ = 0;
  const Pool* pool_ = nullptr;
  Slice dcid_;
};

// What the frame is: finds out all that Burst::begin() took for granted.
void parse(Burst& burst, unsigned i, const RoutingSnapshot& snapshot, const FrameFacts& facts) {
  Packet& packet = *burst.packet[i];
  net::EthernetHeader ethernet;
  if (const Verdict verdict = read_ethernet(packet.bytes(), ethernet); verdict != Verdict::kNone)
    return burst.end(i, verdict);
  if (ethernet.destination != facts.mac) return;  // the link side knows about groups
  if (ethernet.vlan != facts.vlan) return burst.end(i, net::kVlanUnexpected);
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
  if (verdict != Verdict::kNone) return burst.end(i, verdict);
  take_ip(burst, i, header, snapshot, facts);
}

// Any frame.
[[gnu::noinline]] void parse_closely(Burst& burst, unsigned i, const RoutingSnapshot& snapshot, const FrameFacts& facts,
                                     IdStage& ids) {
  burst.set_aside(i, FrameKind::kLink);
  parse(burst, i, snapshot, facts);
  if (burst.kind[i] != FrameKind::kDatagram) return;
  burst.route(i, kNoSlot, RoutingStep::kId);
  ids.take_carefully(i, burst.dcid(i), snapshot.pool_of(snapshot.service(burst.service[i])));
}

}  // namespace

void parse_frames(Burst& burst, const RoutingSnapshot& snapshot, const FrameFacts& facts, IdStage& ids) {
  // The port asked for both lines of each frame; where a neighbour on the core has pushed them out since, they come
  // back from the next cache while the frames before are parsed.
  constexpr unsigned kPacketAhead = 6, kFrameAhead = 3;
  const unsigned count = burst.count;
  UsualFrames usual(facts);
  burst.begin();
  for (unsigned i = 0; i < count; ++i) {
    if (i + kPacketAhead < count) __builtin_prefetch(burst.packet[i + kPacketAhead]);
    if (i + kFrameAhead < count) __builtin_prefetch(burst.packet[i + kFrameAhead]->data());
    if (usual.read(burst, i, snapshot)) [[likely]]
      ids.take(i, usual.dcid(), usual.pool());
    else
      parse_closely(burst, i, snapshot, facts, ids);
  }
}

}  // namespace viaduct::lb
