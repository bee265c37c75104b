// Builds Ethernet frames for tests, one layer after the other, right in every field that is not asked to be wrong:
//
//   FrameBuilder().eth(to, from).ipv4("198.18.0.2", "198.18.0.1").udp(4433, 443).payload("hello").build()
//
// Lengths and checksums are computed here in the plainest way, apart from the code under test.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/packet.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::test {

using Frame = std::vector<uint8_t>;

// The Internet checksum as RFC 1071 says it, as a number.
uint16_t plain_checksum(const std::vector<uint8_t>& bytes);

class FrameBuilder {
 public:
  FrameBuilder& eth(const net::MacAddress& to, const net::MacAddress& from);
  FrameBuilder& vlan(uint16_t id);
  FrameBuilder& ether_type(uint16_t type);  // instead of what the next layer says

  FrameBuilder& ipv4(std::string_view source, std::string_view destination);
  FrameBuilder& ipv6(std::string_view source, std::string_view destination);
  FrameBuilder& ecn(Ecn codepoint);
  FrameBuilder& hop_limit(uint8_t value);
  FrameBuilder& dont_fragment();
  FrameBuilder& fragment(uint16_t offset, bool more);                           // IPv6: adds a fragment header
  FrameBuilder& ip_options(size_t bytes);                                       // IPv4, no-operations; a multiple of 4
  FrameBuilder& extension(uint8_t type, size_t bytes = 8, uint8_t fourth = 0);  // IPv6; a multiple of 8
  FrameBuilder& protocol(uint8_t number);                                       // instead of what the next layer says
  FrameBuilder& version(uint8_t value);
  FrameBuilder& ip_length(uint16_t value);  // the IPv4 total, or IPv6 payload, length field
  FrameBuilder& bad_ip_checksum();

  FrameBuilder& udp(uint16_t source_port, uint16_t destination_port);
  FrameBuilder& udp_length(uint16_t value);
  FrameBuilder& bad_udp_checksum();
  FrameBuilder& no_udp_checksum();       // zero
  FrameBuilder& partial_udp_checksum();  // the sum of the pseudo-header, as a kernel leaves it to a device

  // rest: the four bytes behind the checksum.
  FrameBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest);  // ICMP or ICMPv6, as the IP layer is
  FrameBuilder& bad_icmp_checksum();

  FrameBuilder& arp(uint16_t operation, const net::MacAddress& sender_mac, std::string_view sender,
                    const net::MacAddress& target_mac, std::string_view target);

  FrameBuilder& payload(std::string_view text);
  FrameBuilder& payload(Bytes bytes);
  FrameBuilder& payload(const Frame& bytes) { return payload(Bytes(bytes)); }
  FrameBuilder& padding(size_t bytes);  // behind everything
  FrameBuilder& cut(size_t bytes);      // keeps this many bytes of the frame

  Frame build() const;
  // What is behind the Ethernet header: what an ICMP error quotes.
  Frame build_ip() const;

 private:
  enum class Upper { kNone, kUdp, kIcmp };
  Frame upper_layer() const;
  Frame network_layer() const;
  Frame ipv4_packet(const Frame& upper) const;
  Frame ipv6_packet(const Frame& upper) const;
  Frame pseudo_header(size_t length, uint8_t protocol) const;
  uint8_t upper_protocol() const;

  net::MacAddress to_, from_;
  int vlan_ = -1, ether_type_ = -1;
  bool has_ip_ = false, is_v6_ = false;
  IpAddress source_, destination_;
  uint8_t ecn_ = 0, hop_limit_ = 64;
  bool dont_fragment_ = false, more_fragments_ = false, is_fragment_ = false;
  uint16_t fragment_offset_ = 0;
  size_t ip_options_ = 0;
  struct Extension {
    uint8_t type;
    size_t bytes;
    uint8_t fourth;
  };
  std::vector<Extension> extensions_;
  int protocol_ = -1, version_ = -1, ip_length_ = -1;
  bool bad_ip_checksum_ = false;
  Upper upper_ = Upper::kNone;
  uint16_t source_port_ = 0, destination_port_ = 0;
  int udp_length_ = -1;
  enum class UdpChecksum { kGood, kBad, kNone, kPartial } udp_checksum_ = UdpChecksum::kGood;
  uint8_t icmp_type_ = 0, icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  bool bad_icmp_checksum_ = false;
  Frame arp_;
  Frame payload_;
  size_t padding_ = 0;
  int cut_ = -1;
};

}  // namespace viaduct::test
