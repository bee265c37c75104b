// ICMP and ICMPv6: echo, path-MTU messages and neighbour discovery.
#pragma once

#include "base/bytes.h"
#include "base/instant.h"
#include "base/verdict.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::net {

// How many more echo requests a worker answers now: a bucket that fills by the configured rate and holds a second's.
class EchoLimit {
 public:
  explicit EchoLimit(unsigned per_second) : per_second_(per_second), tokens_(per_second) {}
  bool take(Instant now);

 private:
  const unsigned per_second_;
  unsigned tokens_;
  Instant filled_;
};

// What an ICMP message asks of us.
struct IcmpResult {
  Verdict verdict;
  // The packet was turned into the answer; its Ethernet addresses are the caller's to fill in.
  bool answer = false;
  uint16_t answer_length = 0;  // bytes from the IP header on
  MacAddress answer_to;        // zero: whoever sent the frame
  bool learned = false;        // a neighbour's address has come
};

// What the handlers work with, beside the packet, which starts at the IP header and ends with the ICMP message; behind
// it there must be room for an answer of kNeighbourMessage bytes in all.
struct IcmpContext {
  IpInterface& interface;
  EchoLimit& echo_limit;
  MacAddress our_mac;
  uint16_t link_mtu;
  Instant now;
};

IcmpResult handle_icmp4(MutableBytes packet, const IpHeader& ip, const IcmpContext& context);
IcmpResult handle_icmp6(MutableBytes packet, const IpHeader& ip, const IcmpContext& context);

}  // namespace viaduct::net
