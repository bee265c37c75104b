// Reading the Ethernet and IP headers of a received frame.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::net {

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  uint16_t type = 0;    // of what follows, behind a tag
  uint16_t vlan = 0;    // 0: no tag, or a priority tag
  uint16_t length = 0;  // bytes of header: 14 or 18
};

// One VLAN tag is understood. Verdict::kNone, or kFrameTooShort.
Verdict read_ethernet(Bytes frame, EthernetHeader& header);

struct IpHeader {
  IpAddress source;
  IpAddress destination;
  bool is_v6 = false;
  uint8_t protocol = 0;  // behind extension headers
  uint8_t hop_limit = 0;
  Ecn ecn = Ecn::kNotEct;
  uint16_t length = 0;          // bytes of header with options or extension headers
  uint16_t payload_length = 0;  // bytes behind it, as IP says; all within the packet
};

// Extension headers that are skipped at most.
inline constexpr unsigned kMaxIpv6Extensions = 4;

// packet starts at the IP header and may have padding at its end. IPv4 options are skipped. Verdict::kNone, or why
// it is not ours to look at: malformed, wrong header checksum (unless the device has checked it), truncated, a
// fragment.
Verdict read_ipv4(Bytes packet, bool checksum_is_good, IpHeader& header);
Verdict read_ipv6(Bytes packet, IpHeader& header);

// The same headers as quoted in an ICMP error: the packet may be cut off and is not verified beyond its lengths.
bool read_quoted_ip(Bytes packet, bool is_v6, IpHeader& header);

}  // namespace viaduct::net
