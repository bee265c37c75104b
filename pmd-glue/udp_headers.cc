#include "pmd-glue/udp_headers.h"

#include "pmd-glue/checksum.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr uint8_t kTimeToLive = 64;
constexpr uint16_t kDontFragment = 0x4000;

uint16_t swapped(uint16_t value) {
  uint8_t raw[2];
  store_u16(raw, value);
  return load_checksum(raw);
}

}  // namespace

void UdpHeaders::make(const Path& path, const MacAddress& source, const MacAddress& destination, uint16_t vlan) {
  is_v6 = !path.remote.ip.is_v4();
  bytes.fill(0);
  uint8_t* p = bytes.data();
  std::memcpy(p, destination.bytes.data(), 6);
  std::memcpy(p + 6, source.bytes.data(), 6);
  p += 12;
  if (vlan != 0) {
    store_u16(p, kEtherTypeVlan);
    store_u16(p + 2, vlan);
    p += 4;
  }
  store_u16(p, is_v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
  p += 2;
  ip_offset = static_cast<uint8_t>(p - bytes.data());

  uint8_t* udp = p + (is_v6 ? kIpv6Header : kIpv4Header);
  if (is_v6) {
    p[0] = 0x60;
    p[6] = kProtocolUdp;
    p[7] = kTimeToLive;
    std::memcpy(p + 8, path.local.ip.bytes.data(), 16);
    std::memcpy(p + 24, path.remote.ip.bytes.data(), 16);
  } else {
    p[0] = 0x45;
    // meets RFC 9000 14-2 14-3
    store_u16(p + 6, kDontFragment);
    p[8] = kTimeToLive;
    p[9] = kProtocolUdp;
    std::memcpy(p + 12, path.local.ip.v4_bytes(), 4);
    std::memcpy(p + 16, path.remote.ip.v4_bytes(), 4);
    ip_sum = checksum_add(0, {p, kIpv4Header});
  }
  store_u16(udp, path.local.port);
  store_u16(udp + 2, path.remote.port);
  const Bytes addresses = is_v6 ? Bytes{p + 8, 32} : Bytes{p + 12, 8};
  pseudo_sum = checksum_add(pseudo_header_sum(addresses, kProtocolUdp, 0), {udp, 4});
  length = static_cast<uint8_t>(udp + kUdpHeader - bytes.data());
}

void UdpHeaders::prepend(Packet& packet, ChecksumFilling filling) const {
  const uint16_t udp_length = static_cast<uint16_t>(packet.length + kUdpHeader);
  const Bytes payload = packet.bytes();
  packet.offset = static_cast<uint16_t>(packet.offset - length);
  packet.length = static_cast<uint16_t>(packet.length + length);
  uint8_t* frame = packet.data();
  std::memcpy(frame, bytes.data(), length);
  uint8_t* ip = frame + ip_offset;
  uint8_t* udp = frame + length - kUdpHeader;
  store_u16(udp + 4, udp_length);

  if (is_v6) {
    ip[1] = static_cast<uint8_t>(static_cast<uint8_t>(packet.ecn) << 4);
    store_u16(ip + 4, udp_length);
  } else {
    const uint16_t total = static_cast<uint16_t>(udp_length + kIpv4Header);
    ip[1] = static_cast<uint8_t>(packet.ecn);
    store_u16(ip + 2, total);
    if (filling != ChecksumFilling::kDevice)
      store_checksum(ip + 10, checksum_finish(ip_sum + load_checksum(ip) - swapped(0x4500) + swapped(total)));
  }

  packet.flags = 0;
  if (filling != ChecksumFilling::kSoftware) {
    if (filling == ChecksumFilling::kDevice) packet.flags = FramePort::kFillChecksums;
    const uint64_t ports = checksum_add(0, {udp, 4});
    store_checksum(udp + 6, checksum_fold(pseudo_sum - ports + swapped(udp_length)));
    return;
  }
  // The length counts twice: in the pseudo-header and in the header. A sum of zero is sent as all ones (RFC 768).
  const uint16_t checksum = checksum_finish(checksum_add(pseudo_sum + 2u * swapped(udp_length), payload));
  store_checksum(udp + 6, checksum == 0 ? 0xffff : checksum);
}

}  // namespace viaduct::net
