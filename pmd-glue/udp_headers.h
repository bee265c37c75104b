// The headers in front of a UDP payload to send, ready made for a path.
#pragma once

#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/packet.h"
#include "pmd-glue/device_config.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::net {

// Ethernet (with a tag or without), IPv4 or IPv6, UDP; lengths, ECN and checksums are filled in for each packet.
struct UdpHeaders {
  static constexpr size_t kRoom = 18 + 40 + 8;

  std::array<uint8_t, kRoom> bytes;
  uint8_t length = 0;     // of all headers
  uint8_t ip_offset = 0;  // where the IP header starts
  bool is_v6 = false;
  uint64_t pseudo_sum = 0;  // addresses, protocol and ports: the UDP checksum but for length and payload
  uint64_t ip_sum = 0;      // an IPv4 header's, but for ECN and length

  static size_t length_for(const Path& path, bool has_vlan) {
    return (has_vlan ? 18 : 14) + (path.remote.ip.is_v4() ? 20 : 40) + 8;
  }
  void make(const Path& path, const MacAddress& source, const MacAddress& destination, uint16_t vlan);

  // Puts the headers in front of the packet's data.
  void prepend(Packet& packet, ChecksumFilling filling) const;
};

}  // namespace viaduct::net
