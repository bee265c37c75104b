// IPv6 neighbour discovery (RFC 4861): solicitations and advertisements.
#pragma once

#include "pmd-glue/icmp.h"

namespace viaduct::net {

inline bool is_neighbour_discovery(uint8_t icmp_type) { return icmp_type == 135 || icmp_type == 136; }

// As handle_icmp6(), for these two types; the checksum is good.
IcmpResult handle_neighbour_discovery(MutableBytes packet, const IpHeader& ip, const IcmpContext& context);

// True for the groups whose messages concern one of the addresses: solicited-node groups and all nodes.
bool is_our_group(const IpAddress& group, std::span<const IpAddress> ours);

// A solicitation, or an unsolicited advertisement of an address of ours, from the IPv6 header on: kNeighbourMessage
// bytes. The result is the MAC address to send it to.
inline constexpr size_t kNeighbourMessage = 40 + 32;
MacAddress write_neighbour_solicitation(uint8_t* out, const MacAddress& our_mac, const IpAddress& source,
                                        const NeighbourTable::Question& question);
MacAddress write_neighbour_announcement(uint8_t* out, const MacAddress& our_mac, const IpAddress& ours);

// The link-local address that belongs to a MAC address (RFC 4291 appendix A).
IpAddress link_local_of(const MacAddress& mac);

}  // namespace viaduct::net
