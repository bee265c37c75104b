// Taking a balancer's tunnels apart.
#pragma once

#include <expected>
#include <optional>

#include "base/bytes.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::net {

// The packet inside, from its IP header on.
struct Tunnelled {
  MutableBytes packet;
  bool is_v6 = false;
};

// whole: an intact packet to one of our addresses, from its IP header on. Empty where it is no tunnel of those
// configured; a verdict where it is one and cannot be taken apart. What is inside is not looked at.
std::expected<std::optional<Tunnelled>, Verdict> open_tunnel(MutableBytes whole, const IpHeader& ip,
                                                             const TunnelConfig& config);

// The congestion codepoint that counts, from those of both headers (RFC 6040 section 4.2); empty where the packet has
// to be dropped.
std::optional<Ecn> combined_ecn(Ecn outer, Ecn inner);

}  // namespace viaduct::net
