#include "pmd-glue/ip_header.h"

#include "pmd-glue/checksum.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragmentHeader = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint8_t kMobility = 135;

void read_ipv6_fixed(const uint8_t* p, IpHeader& header) {
  header.is_v6 = true;
  header.ecn = static_cast<Ecn>(p[1] >> 4 & 3);
  header.protocol = p[6];
  header.hop_limit = p[7];
  header.source = IpAddress::v6(p + 8);
  header.destination = IpAddress::v6(p + 24);
  header.length = kIpv6Header;
  header.payload_length = load_u16(p + 4);
}

void read_ipv4_fixed(const uint8_t* p, IpHeader& header) {
  header.is_v6 = false;
  header.ecn = static_cast<Ecn>(p[1] & 3);
  header.protocol = p[9];
  header.hop_limit = p[8];
  header.source = IpAddress::v4(p + 12);
  header.destination = IpAddress::v4(p + 16);
  header.length = static_cast<uint16_t>((p[0] & 15) * 4);
  header.payload_length = 0;
}

// Skips extension headers (RFC 8200 section 4). An atomic fragment is a fragment here: nobody sends them any more
// (RFC 8021).
Verdict skip_extensions(Bytes packet, IpHeader& header) {
  for (unsigned skipped = 0;; ++skipped) {
    const uint8_t type = header.protocol;
    if (type == kFragmentHeader) return kIpFragment;
    if (type == kAuthentication || type == kMobility) return kIpv6ExtensionsRefused;
    if (type != kHopByHop && type != kRouting && type != kDestinationOptions) return Verdict::kNone;
    if (skipped == kMaxIpv6Extensions) return kIpv6ExtensionsRefused;

    if (header.payload_length < 8) return kIpv6Malformed;
    const uint8_t* extension = packet.data() + header.length;
    const size_t size = 8u + extension[1] * 8u;
    if (size > header.payload_length) return kIpv6Malformed;
    // A routing header that still has somewhere to go asks us to forward (RFC 8200 section 4.4).
    if (type == kRouting && extension[3] != 0) return kIpv6ExtensionsRefused;
    header.protocol = extension[0];
    header.length = static_cast<uint16_t>(header.length + size);
    header.payload_length = static_cast<uint16_t>(header.payload_length - size);
  }
}

}  // namespace

Verdict read_ethernet(Bytes frame, EthernetHeader& header) {
  if (frame.size() < kEthernetHeader) return kFrameTooShort;
  const uint8_t* p = frame.data();
  std::memcpy(header.destination.bytes.data(), p, 6);
  std::memcpy(header.source.bytes.data(), p + 6, 6);
  header.type = load_u16(p + 12);
  header.length = kEthernetHeader;
  header.vlan = 0;
  if (header.type != kEtherTypeVlan) return Verdict::kNone;

  if (frame.size() < kEthernetHeader + kVlanTag) return kFrameTooShort;
  header.vlan = load_u16(p + 14) & 0x0fff;
  header.type = load_u16(p + 16);
  header.length = kEthernetHeader + kVlanTag;
  return Verdict::kNone;
}

Verdict read_ipv4(Bytes packet, bool checksum_is_good, IpHeader& header) {
  const uint8_t* p = packet.data();
  if (packet.size() < kIpv4Header || p[0] >> 4 != 4) return kIpv4Malformed;
  read_ipv4_fixed(p, header);
  const uint16_t total = load_u16(p + 2);
  if (header.length < kIpv4Header || total < header.length) return kIpv4Malformed;
  if (total > packet.size()) return kFrameShorterThanIp;
  if (!checksum_is_good && checksum_fold(checksum_add(0, packet.first(header.length))) != 0xffff) {
    return kIpv4ChecksumWrong;
  }
  // All but "don't fragment": more fragments, or an offset.
  if (load_u16(p + 6) & 0x3fff) return kIpFragment;
  header.payload_length = static_cast<uint16_t>(total - header.length);
  return Verdict::kNone;
}

Verdict read_ipv6(Bytes packet, IpHeader& header) {
  const uint8_t* p = packet.data();
  if (packet.size() < kIpv6Header || p[0] >> 4 != 6) return kIpv6Malformed;
  read_ipv6_fixed(p, header);
  if (kIpv6Header + header.payload_length > packet.size()) return kFrameShorterThanIp;
  return skip_extensions(packet, header);
}

bool read_quoted_ip(Bytes packet, bool is_v6, IpHeader& header) {
  const uint8_t* p = packet.data();
  if (is_v6) {
    if (packet.size() < kIpv6Header || p[0] >> 4 != 6) return false;
    read_ipv6_fixed(p, header);
    return true;
  }
  if (packet.size() < kIpv4Header || p[0] >> 4 != 4) return false;
  read_ipv4_fixed(p, header);
  const uint16_t total = load_u16(p + 2);
  if (header.length < kIpv4Header || header.length > packet.size() || total < header.length) return false;
  if (load_u16(p + 6) & 0x1fff) return false;  // a later fragment has no UDP header
  header.payload_length = static_cast<uint16_t>(total - header.length);
  return true;
}

}  // namespace viaduct::net
