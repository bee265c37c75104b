#include "tests/support/frame_builder.h"

#include <algorithm>

namespace viaduct::test {
namespace {

// Resized first and written then: GCC 14 sees overflows in inlined insertions that are none.
uint8_t* grow(Frame& out, size_t size) {
  out.resize(out.size() + size);
  return out.data() + out.size() - size;
}
void put(Frame& out, uint64_t value, size_t size) {
  uint8_t* room = grow(out, size);
  for (size_t i = 0; i < size; ++i) room[i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
}
void copy(Frame& out, const uint8_t* bytes, size_t size) { std::copy_n(bytes, size, grow(out, size)); }
void put(Frame& out, const Frame& bytes) { copy(out, bytes.data(), bytes.size()); }
void put(Frame& out, const net::MacAddress& mac) { copy(out, mac.bytes.data(), mac.bytes.size()); }
void put(Frame& out, const IpAddress& ip) {
  if (ip.is_v4()) {
    copy(out, ip.v4_bytes(), 4);
  } else {
    copy(out, ip.bytes.data(), ip.bytes.size());
  }
}
void set_u16(Frame& frame, size_t at, uint16_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}
Frame joined(Frame first, const Frame& second) {
  put(first, second);
  return first;
}

}  // namespace

uint16_t plain_checksum(const Frame& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

FrameBuilder& FrameBuilder::eth(const net::MacAddress& to, const net::MacAddress& from) {
  to_ = to;
  from_ = from;
  return *this;
}
FrameBuilder& FrameBuilder::vlan(uint16_t id) {
  vlan_ = id;
  return *this;
}
FrameBuilder& FrameBuilder::ether_type(uint16_t type) {
  ether_type_ = type;
  return *this;
}
FrameBuilder& FrameBuilder::ipv4(std::string_view source, std::string_view destination) {
  has_ip_ = true;
  source_ = IpAddress::parse(source).value();
  destination_ = IpAddress::parse(destination).value();
  return *this;
}
FrameBuilder& FrameBuilder::ipv6(std::string_view source, std::string_view destination) {
  is_v6_ = true;
  return ipv4(source, destination);
}
FrameBuilder& FrameBuilder::ecn(Ecn codepoint) {
  ecn_ = static_cast<uint8_t>(codepoint);
  return *this;
}
FrameBuilder& FrameBuilder::hop_limit(uint8_t value) {
  hop_limit_ = value;
  return *this;
}
FrameBuilder& FrameBuilder::dont_fragment() {
  dont_fragment_ = true;
  return *this;
}
FrameBuilder& FrameBuilder::fragment(uint16_t offset, bool more) {
  is_fragment_ = true;
  fragment_offset_ = offset;
  more_fragments_ = more;
  return *this;
}
FrameBuilder& FrameBuilder::ip_options(size_t bytes) {
  ip_options_ = bytes;
  return *this;
}
FrameBuilder& FrameBuilder::extension(uint8_t type, size_t bytes, uint8_t fourth) {
  extensions_.push_back({type, bytes, fourth});
  return *this;
}
FrameBuilder& FrameBuilder::protocol(uint8_t number) {
  protocol_ = number;
  return *this;
}
FrameBuilder& FrameBuilder::version(uint8_t value) {
  version_ = value;
  return *this;
}
FrameBuilder& FrameBuilder::ip_length(uint16_t value) {
  ip_length_ = value;
  return *this;
}
FrameBuilder& FrameBuilder::bad_ip_checksum() {
  bad_ip_checksum_ = true;
  return *this;
}
FrameBuilder& FrameBuilder::udp(uint16_t source_port, uint16_t destination_port) {
  upper_ = Upper::kUdp;
  source_port_ = source_port;
  destination_port_ = destination_port;
  return *this;
}
FrameBuilder& FrameBuilder::udp_length(uint16_t value) {
  udp_length_ = value;
  return *this;
}
FrameBuilder& FrameBuilder::bad_udp_checksum() {
  udp_checksum_ = UdpChecksum::kBad;
  return *this;
}
FrameBuilder& FrameBuilder::no_udp_checksum() {
  udp_checksum_ = UdpChecksum::kNone;
  return *this;
}
FrameBuilder& FrameBuilder::partial_udp_checksum() {
  udp_checksum_ = UdpChecksum::kPartial;
  return *this;
}
FrameBuilder& FrameBuilder::icmp(uint8_t type, uint8_t code, uint32_t rest) {
  upper_ = Upper::kIcmp;
  icmp_type_ = type;
  icmp_code_ = code;
  icmp_rest_ = rest;
  return *this;
}
FrameBuilder& FrameBuilder::bad_icmp_checksum() {
  bad_icmp_checksum_ = true;
  return *this;
}
FrameBuilder& FrameBuilder::arp(uint16_t operation, const net::MacAddress& sender_mac, std::string_view sender,
                                const net::MacAddress& target_mac, std::string_view target) {
  arp_.clear();
  put(arp_, 0x0001080006040000 | operation, 8);
  put(arp_, sender_mac);
  put(arp_, IpAddress::parse(sender).value());
  put(arp_, target_mac);
  put(arp_, IpAddress::parse(target).value());
  return *this;
}
FrameBuilder& FrameBuilder::payload(std::string_view text) {
  payload_.assign(text.begin(), text.end());
  return *this;
}
FrameBuilder& FrameBuilder::payload(Bytes bytes) {
  payload_.assign(bytes.begin(), bytes.end());
  return *this;
}
FrameBuilder& FrameBuilder::padding(size_t bytes) {
  padding_ = bytes;
  return *this;
}
FrameBuilder& FrameBuilder::cut(size_t bytes) {
  cut_ = static_cast<int>(bytes);
  return *this;
}

uint8_t FrameBuilder::upper_protocol() const {
  if (protocol_ >= 0) return static_cast<uint8_t>(protocol_);
  if (upper_ == Upper::kIcmp) return is_v6_ ? 58 : 1;
  return upper_ == Upper::kUdp ? 17 : 59;
}

Frame FrameBuilder::pseudo_header(size_t length, uint8_t protocol) const {
  Frame pseudo;
  put(pseudo, source_);
  put(pseudo, destination_);
  put(pseudo, length, 4);
  put(pseudo, protocol, 4);
  return pseudo;
}

Frame FrameBuilder::upper_layer() const {
  Frame upper;
  if (upper_ == Upper::kNone) return payload_;
  if (upper_ == Upper::kUdp) {
    put(upper, source_port_, 2);
    put(upper, destination_port_, 2);
    put(upper, udp_length_ >= 0 ? static_cast<uint64_t>(udp_length_) : 8 + payload_.size(), 2);
    put(upper, 0, 2);
    put(upper, payload_);
    const Frame pseudo = pseudo_header(upper.size(), 17);
    uint16_t checksum = plain_checksum(joined(pseudo, upper));
    if (checksum == 0) checksum = 0xffff;
    if (udp_checksum_ == UdpChecksum::kBad) checksum = static_cast<uint16_t>(checksum ^ 0x5a5a);
    if (udp_checksum_ == UdpChecksum::kNone) checksum = 0;
    if (udp_checksum_ == UdpChecksum::kPartial) checksum = static_cast<uint16_t>(~plain_checksum(pseudo));
    set_u16(upper, 6, checksum);
    return upper;
  }
  put(upper, icmp_type_, 1);
  put(upper, icmp_code_, 1);
  put(upper, 0, 2);
  put(upper, icmp_rest_, 4);
  put(upper, payload_);
  const uint16_t checksum = plain_checksum(is_v6_ ? joined(pseudo_header(upper.size(), 58), upper) : upper);
  set_u16(upper, 2, bad_icmp_checksum_ ? static_cast<uint16_t>(checksum ^ 0x5a5a) : checksum);
  return upper;
}

Frame FrameBuilder::ipv4_packet(const Frame& upper) const {
  Frame packet;
  const size_t header = 20 + ip_options_;
  put(packet, static_cast<uint64_t>((version_ >= 0 ? version_ : 4) << 4) | header / 4, 1);
  put(packet, ecn_, 1);
  put(packet, ip_length_ >= 0 ? static_cast<uint64_t>(ip_length_) : header + upper.size(), 2);
  put(packet, 0, 2);
  put(packet, (dont_fragment_ ? 0x4000u : 0) | (more_fragments_ ? 0x2000u : 0) | fragment_offset_ / 8u, 2);
  put(packet, hop_limit_, 1);
  put(packet, upper_protocol(), 1);
  put(packet, 0, 2);
  put(packet, source_);
  put(packet, destination_);
  packet.insert(packet.end(), ip_options_, 1);
  const uint16_t checksum = plain_checksum(packet);
  set_u16(packet, 10, bad_ip_checksum_ ? static_cast<uint16_t>(checksum ^ 0x5a5a) : checksum);
  return joined(packet, upper);
}

Frame FrameBuilder::ipv6_packet(const Frame& upper) const {
  std::vector<Extension> extensions = extensions_;
  if (is_fragment_) extensions.push_back({44, 8, 0});
  Frame chain;
  for (size_t i = 0; i < extensions.size(); ++i) {
    const size_t start = chain.size();
    put(chain, i + 1 < extensions.size() ? extensions[i + 1].type : upper_protocol(), 1);
    put(chain, extensions[i].type == 44 ? 0 : extensions[i].bytes / 8 - 1, 1);
    chain.resize(start + extensions[i].bytes);
    chain[start + 3] = extensions[i].fourth;
    if (extensions[i].type == 44) set_u16(chain, start + 2, static_cast<uint16_t>(fragment_offset_ | more_fragments_));
  }
  Frame packet;
  put(packet, static_cast<uint64_t>((version_ >= 0 ? version_ : 6) << 28) | static_cast<uint64_t>(ecn_) << 20, 4);
  put(packet, ip_length_ >= 0 ? static_cast<uint64_t>(ip_length_) : chain.size() + upper.size(), 2);
  put(packet, extensions.empty() ? upper_protocol() : extensions[0].type, 1);
  put(packet, hop_limit_, 1);
  put(packet, source_);
  put(packet, destination_);
  put(packet, chain);
  return joined(packet, upper);
}

Frame FrameBuilder::network_layer() const {
  if (!arp_.empty()) return arp_;
  if (!has_ip_) return payload_;
  return is_v6_ ? ipv6_packet(upper_layer()) : ipv4_packet(upper_layer());
}

Frame FrameBuilder::build_ip() const { return network_layer(); }

Frame FrameBuilder::build() const {
  Frame frame;
  put(frame, to_);
  put(frame, from_);
  if (vlan_ >= 0) put(frame, 0x81000000u | static_cast<uint64_t>(vlan_), 4);
  const uint16_t type = !arp_.empty() ? 0x0806 : is_v6_ ? 0x86dd : 0x0800;
  put(frame, ether_type_ >= 0 ? static_cast<uint64_t>(ether_type_) : type, 2);
  put(frame, network_layer());
  frame.resize(frame.size() + padding_);
  if (cut_ >= 0) frame.resize(std::min(frame.size(), static_cast<size_t>(cut_)));
  return frame;
}

}  // namespace viaduct::test
