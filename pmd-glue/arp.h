// The Address Resolution Protocol (RFC 826) for Ethernet and IPv4.
#pragma once

#include "base/bytes.h"
#include "base/verdict.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/mac_address.h"

namespace viaduct::net {

// What an ARP packet asks of us.
struct ArpResult {
  Verdict verdict;
  bool answer = false;   // the packet was turned into the answer, to be sent to its sender
  bool learned = false;  // a neighbour's address has come
};

// Reads a received packet (what follows the Ethernet header) and turns a request for us into its answer in place.
ArpResult handle_arp(MutableBytes packet, IpInterface& interface, const MacAddress& our_mac, Instant now);

// Writes a request of kArpSize bytes; sender and target alike is an announcement (RFC 5227 section 3).
void write_arp_request(uint8_t* out, const MacAddress& our_mac, const IpAddress& sender, const IpAddress& target);

}  // namespace viaduct::net
