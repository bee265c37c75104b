#include "pmd-glue/neighbour_messages.h"

#include "pmd-glue/arp.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

// The Ethernet header of a message of ours; its length.
size_t write_ethernet(uint8_t* out, const MacAddress& to, const MacAddress& from, uint16_t vlan, uint16_t type) {
  std::memcpy(out, to.bytes.data(), 6);
  std::memcpy(out + 6, from.bytes.data(), 6);
  uint8_t* p = out + 12;
  if (vlan != 0) {
    store_u16(p, kEtherTypeVlan);
    store_u16(p + 2, vlan);
    p += 4;
  }
  store_u16(p, type);
  return static_cast<size_t>(p + 2 - out);
}

// A message behind its Ethernet header.
size_t write_frame(uint8_t* frame, const MacAddress& to, const IpInterface& interface, uint16_t type, Bytes message) {
  const size_t header = write_ethernet(frame, to, interface.mac(), interface.config().vlan.value_or(0), type);
  std::memcpy(frame + header, message.data(), message.size());
  return header + message.size();
}

}  // namespace

size_t write_question(uint8_t* frame, const IpInterface& interface, const NeighbourTable::Question& question) {
  const IpAddress* source = interface.source_for(question.ip);
  if (!source) return 0;
  uint8_t message[kNeighbourMessage];
  if (question.ip.is_v4()) {
    write_arp_request(message, interface.mac(), *source, question.ip);
    const MacAddress& to = question.to_everybody ? kBroadcastMac : question.mac;
    return write_frame(frame, to, interface, kEtherTypeArp, {message, kArpSize});
  }
  const MacAddress to = write_neighbour_solicitation(message, interface.mac(), *source, question);
  return write_frame(frame, to, interface, kEtherTypeIpv6, message);
}

size_t write_announcement(uint8_t* frame, const IpInterface& interface, const IpAddress& ours) {
  uint8_t message[kNeighbourMessage];
  if (ours.is_v4()) {
    write_arp_request(message, interface.mac(), ours, ours);
    return write_frame(frame, kBroadcastMac, interface, kEtherTypeArp, {message, kArpSize});
  }
  const MacAddress to = write_neighbour_announcement(message, interface.mac(), ours);
  return write_frame(frame, to, interface, kEtherTypeIpv6, message);
}

}  // namespace viaduct::net
