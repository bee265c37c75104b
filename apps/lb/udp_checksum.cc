#include "apps/lb/udp_checksum.h"

#include "pmd-glue/checksum.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {
namespace {

uint64_t pseudo_sum(const InnerPacket& packet, uint16_t udp_length) {
  const Bytes addresses = packet.is_v6 ? Bytes(packet.ip + 8, 32) : Bytes(packet.ip + 12, 8);
  return net::pseudo_header_sum(addresses, net::kProtocolUdp, udp_length);
}

}  // namespace

void fill_udp_checksum(const InnerPacket& packet, uint16_t ip_header) {
  uint8_t* udp = packet.ip + ip_header;
  const uint16_t length = net::load_u16(udp + 4);
  net::store_checksum(udp + 6, 0);
  const uint16_t sum = net::checksum_finish(net::checksum_add(pseudo_sum(packet, length), {udp, length}));
  net::store_checksum(udp + 6, sum == 0 ? 0xffff : sum);
}

void complete_partial_checksum(const InnerPacket& packet, uint16_t ip_header) {
  const uint8_t* udp = packet.ip + ip_header;
  const uint16_t pseudo = net::checksum_fold(pseudo_sum(packet, net::load_u16(udp + 4)));
  if (net::load_checksum(udp + 6) == pseudo) fill_udp_checksum(packet, ip_header);
}

}  // namespace viaduct::lb
