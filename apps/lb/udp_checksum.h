// UDP checksums that have to be made, not only kept.
#pragma once

#include <cstdint>

#include "apps/lb/tunnel_headers.h"

namespace viaduct::lb {

// Computes the checksum of a datagram whose headers are in place. ip_header: bytes of its IP header.
void fill_udp_checksum(const InnerPacket& packet, uint16_t ip_header);

// On a virtual link a kernel may leave the checksum to a device that never comes: the field holds the sum of the
// pseudo-header alone. Completes it, so that whoever gets the packet next can check it.
void complete_partial_checksum(const InnerPacket& packet, uint16_t ip_header);

}  // namespace viaduct::lb
