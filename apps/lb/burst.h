// The frames that the balancer's stages work on, as a structure of arrays: stage after stage adds to them.
#pragma once

#include <cstdint>

#include "apps/lb/routing_snapshot.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "pmd-glue/ip_header.h"

namespace viaduct::lb {

// What a frame is about.
enum class FrameKind : uint8_t {
  kDatagram,      // UDP for a service
  kIcmpError,     // about something that a server of a service sent
  kOwnIcmpError,  // about something that we sent
  kNatReturn,     // UDP for an address that flows are translated to
  kLink,          // anything else, for the link side: ARP, neighbour discovery, echo, other addresses
  kForOthers,     // an ICMP error about a flow that another worker may know
  kForOwner,      // for the worker that owns its destination connection ID, or back to the one that asked
  kEnded,         // has its verdict
};

// How the server was found, in the order of the draft (draft-ietf-quic-load-balancers section 4).
enum class RoutingStep : uint8_t { kNone, kId, kScidTable, kDcidTable, kAddressTable, kHash };
inline constexpr std::string_view kRoutingStepNames[] = {"none",          "connection-id",      "table-by-scid",
                                                         "table-by-dcid", "table-by-addresses", "hash"};

// Indices of slots, in order.
struct SlotList {
  uint8_t at[2 * kBurst];
  unsigned size = 0;

  void clear() { size = 0; }
  void push(unsigned slot) { at[size++] = static_cast<uint8_t>(slot); }
  bool empty() const { return size == 0; }
  const uint8_t* begin() const { return at; }
  const uint8_t* end() const { return at + size; }
};

// A view of bytes of a packet.
struct Slice {
  const uint8_t* data = nullptr;
  uint16_t size = 0;

  Bytes bytes() const { return {data, size}; }
};

// Plain arrays: those of the library, and vectors, check each index in our builds, which is worth having wherever a
// packet has a say in it. Here indices are the slots of a burst, several in every step of every packet, and checking
// them would take a tenth of the balancer's time.
struct Burst {
  static constexpr size_t kMax = 2 * kBurst;

  unsigned count = 0;
  Packet* packet[kMax];
  Verdict verdict[kMax];
  FrameKind kind[kMax];

  // Parsing.
  uint8_t* ip[kMax];         // the IP header
  uint16_t ip_length[kMax];  // bytes of IP: header and payload
  uint16_t ip_header[kMax];  // of these, header with options or extensions
  bool is_v6[kMax];
  uint16_t service[kMax];  // kDatagram, kIcmpError

  // Headers (RFC 8999).
  bool is_long[kMax];
  Slice dcid[kMax];     // short header: all that follows the first octet
  Slice scid[kMax];     // long header only
  Slice payload[kMax];  // of UDP

  // Routing.
  uint64_t hash[kMax];  // of the addresses and ports; made where it is needed
  RoutingStep step[kMax];
  uint16_t slot[kMax];  // of the backend; kNoSlot: not found
};

}  // namespace viaduct::lb
