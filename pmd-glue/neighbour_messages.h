// Whole frames of our own to the link: questions for neighbours' addresses, announcements of ours.
#pragma once

#include "pmd-glue/ip_interface.h"
#include "pmd-glue/neighbour_discovery.h"

namespace viaduct::net {

// Ethernet header with a tag, and the longest of these messages.
inline constexpr size_t kNeighbourFrame = 18 + kNeighbourMessage;

// Each writes up to kNeighbourFrame bytes and returns the frame's length; 0 where no address of ours can ask.
size_t write_question(uint8_t* frame, const IpInterface& interface, const NeighbourTable::Question& question);
size_t write_announcement(uint8_t* frame, const IpInterface& interface, const IpAddress& ours);

}  // namespace viaduct::net
