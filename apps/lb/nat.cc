#include "apps/lb/nat.h"

#include <bit>
#include <cstring>

#include "pmd-glue/checksum.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

using net::load_u16;
using net::store_u16;

// How many places are looked at for a free one.
constexpr size_t kProbes = 64;

// The sum of a few words of four bytes.
template <size_t kBytes>
uint64_t sum_of(const uint8_t* p) {
  uint64_t sum = 0;
  for (size_t at = 0; at < kBytes; at += 4) {
    uint32_t word;
    std::memcpy(&word, p + at, sizeof word);
    sum += word;
  }
  return sum;
}

uint64_t sum_of(const IpAddress& ip) { return ip.is_v4() ? sum_of<4>(ip.v4_bytes()) : sum_of<16>(ip.bytes.data()); }

// Ports as they stand in a header.
uint32_t word_of(uint16_t source, uint16_t destination) {
  return uint32_t{std::byteswap(source)} | uint32_t{std::byteswap(destination)} << 16;
}
static_assert(std::endian::native == std::endian::little);

// What is kept of the header that goes.
struct Kept {
  uint8_t traffic_class;
  uint8_t hop_limit;
  uint64_t addresses;  // their sum
};

Kept keep(const InnerPacket& inner) {
  const uint8_t* ip = inner.ip;
  if (inner.is_v6) return {static_cast<uint8_t>(ip[0] << 4 | ip[1] >> 4), ip[7], sum_of<32>(ip + 8)};
  return {ip[1], ip[8], sum_of<8>(ip + 12)};
}

// Put together in whole words: what is written in pieces cannot be read at once for the checksum.
void write_ipv4(uint8_t* ip, uint16_t length, const Kept& kept, const IpAddress& source, const IpAddress& destination) {
  constexpr uint32_t kDontFragment = 0x40 << 16;
  uint32_t words[5];
  words[0] = 0x45u | uint32_t{kept.traffic_class} << 8 | uint32_t{std::byteswap(length)} << 16;
  words[1] = kDontFragment;
  words[2] = kept.hop_limit | uint32_t{net::kProtocolUdp} << 8;
  std::memcpy(&words[3], source.v4_bytes(), 4);
  std::memcpy(&words[4], destination.v4_bytes(), 4);
  uint64_t sum = 0;
  for (const uint32_t word : words) sum += word;
  words[2] |= uint32_t{net::checksum_finish(sum)} << 16;
  std::memcpy(ip, words, sizeof words);
}

void write_ipv6(uint8_t* ip, uint16_t length, const Kept& kept, const IpAddress& source, const IpAddress& destination) {
  std::memset(ip, 0, 4);
  ip[0] = static_cast<uint8_t>(0x60 | kept.traffic_class >> 4);
  ip[1] = static_cast<uint8_t>(kept.traffic_class << 4);
  store_u16(ip + 4, static_cast<uint16_t>(length - net::kIpv6Header));
  ip[6] = net::kProtocolUdp;
  ip[7] = kept.hop_limit;
  std::memcpy(ip + 8, source.bytes.data(), 16);
  std::memcpy(ip + 24, destination.bytes.data(), 16);
}

// RFC 1624: the new sum is the old one without what goes and with what comes. A datagram without a checksum gets one
// only where IPv6 asks for it.
void update_checksum(uint8_t* udp, uint16_t length, uint64_t removed, uint64_t added, bool to_v6) {
  const uint16_t before = net::load_checksum(udp + 6);
  if (before == 0 && !to_v6) return;
  uint16_t after = 0;
  if (before == 0) {
    const uint64_t pseudo = added + net::pseudo_header_sum({}, net::kProtocolUdp, length);
    // The ports are among the bytes and among what was added.
    after = net::checksum_finish(
        net::checksum_add(pseudo + static_cast<uint16_t>(~net::checksum_fold(sum_of<4>(udp))), {udp, length}));
  } else {
    after = net::checksum_finish(uint64_t{static_cast<uint16_t>(~before)} +
                                 static_cast<uint16_t>(~net::checksum_fold(removed)) + added);
  }
  net::store_checksum(udp + 6, after == 0 ? 0xffff : after);
}

}  // namespace

NatTable::NatTable(size_t sessions, uint16_t first_port, Duration timeout)
    : capacity_(sessions),
      sessions_(sessions),
      index_(sessions, timeout),
      first_port_(first_port),
      timeout_(static_cast<uint32_t>((timeout.ns() + 999'999'999) / 1'000'000'000)) {}

uint16_t NatTable::open(uint64_t flow, uint16_t slot, Instant now) {
  const uint32_t second = seconds(now);
  for (size_t probe = 0; probe < std::min(kProbes, capacity_); ++probe) {
    const size_t at = next_;
    next_ = (next_ + 1) % capacity_;
    if (is_live(sessions_[at], second)) continue;
    const uint64_t key = key_of(flow, slot);
    if (!index_.insert(key, static_cast<uint16_t>(at), now)) return kNone;
    sessions_[at] = {};
    sessions_[at].key = key;
    sessions_[at].slot = slot;
    sessions_[at].seen = second;
    return static_cast<uint16_t>(at);
  }
  return kNone;
}

const NatSession* NatTable::peek_port(uint16_t port, Instant now) const {
  if (!owns(port)) return nullptr;
  const NatSession& session = sessions_[port - first_port_];
  return is_live(session, seconds(now)) ? &session : nullptr;
}

NatSession* NatTable::by_port(uint16_t port, Instant now) {
  if (!peek_port(port, now)) return nullptr;
  NatSession& session = sessions_[port - first_port_];
  index_.find(session.key, now);  // keeps the other direction alive
  session.seen = seconds(now);
  return &session;
}

InnerPacket translate(Packet& packet, const InnerPacket& inner, uint16_t ip_header, const SocketAddress& source,
                      const SocketAddress& destination) {
  const Kept kept = keep(inner);
  uint8_t* udp = inner.ip + ip_header;
  const uint16_t udp_length = load_u16(udp + 4);
  const uint64_t removed = kept.addresses + sum_of<4>(udp);
  const uint32_t ports = word_of(source.port, destination.port);
  std::memcpy(udp, &ports, sizeof ports);
  const uint64_t added = sum_of(source.ip) + sum_of(destination.ip) + ports;
  const bool to_v6 = !destination.ip.is_v4();
  update_checksum(udp, udp_length, removed, added, to_v6);

  const size_t header = to_v6 ? net::kIpv6Header : net::kIpv4Header;
  InnerPacket result{udp - header, static_cast<uint16_t>(header + udp_length), to_v6, inner.hash};
  to_v6 ? write_ipv6(result.ip, result.length, kept, source.ip, destination.ip)
        : write_ipv4(result.ip, result.length, kept, source.ip, destination.ip);
  packet.flags = 0;
  return result;
}

void write_link(Packet& packet, const InnerPacket& inner, const net::MacAddress& to, const LinkFacts& link) {
  uint8_t* frame = inner.ip - net::kEthernetHeader - (link.vlan != 0 ? net::kVlanTag : 0);
  std::memcpy(frame, to.bytes.data(), 6);
  std::memcpy(frame + 6, link.mac.bytes.data(), 6);
  uint8_t* type = frame + 12;
  if (link.vlan != 0) {
    store_u16(type, net::kEtherTypeVlan);
    store_u16(type + 2, link.vlan);
    type += net::kVlanTag;
  }
  store_u16(type, inner.is_v6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4);
  packet.offset = static_cast<uint16_t>(frame - packet.buffer);
  packet.length = static_cast<uint16_t>(inner.ip - frame + inner.length);
  packet.flags = 0;
}

}  // namespace viaduct::lb
