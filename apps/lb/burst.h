// The frames that the balancer's stages work on, as a structure of arrays: stage after stage adds to them.
#pragma once

#include <array>
#include <cstdint>

#include "apps/lb/routing_snapshot.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "pmd-glue/ip_header.h"

namespace viaduct::lb {

// What a frame is about.
enum class FrameKind : uint8_t {
  kDatagram,   // UDP for a service
  kIcmpError,  // about something that a server of a service sent
  kNatReturn,  // UDP for an address that flows are translated to
  kLink,       // anything else, for the link side: ARP, neighbour discovery, echo, other addresses
  kEnded,      // has its verdict
};

// How the server was found, in the order of the draft (draft-ietf-quic-load-balancers section 4).
enum class RoutingStep : uint8_t { kNone, kId, kScidTable, kDcidTable, kAddressTable, kHash };
inline constexpr std::string_view kRoutingStepNames[] = {"none",          "connection-id",      "table-by-scid",
                                                         "table-by-dcid", "table-by-addresses", "hash"};

// Indices of slots, in order.
struct SlotList {
  std::array<uint8_t, 2 * kBurst> at;
  unsigned size = 0;

  void clear() { size = 0; }
  void push(unsigned slot) { at[size++] = static_cast<uint8_t>(slot); }
  bool empty() const { return size == 0; }
  const uint8_t* begin() const { return at.data(); }
  const uint8_t* end() const { return at.data() + size; }
};

// A view of bytes of a packet.
struct Slice {
  const uint8_t* data = nullptr;
  uint16_t size = 0;

  Bytes bytes() const { return {data, size}; }
};

struct Burst {
  static constexpr size_t kMax = 2 * kBurst;

  unsigned count = 0;
  std::array<Packet*, kMax> packet;
  std::array<Verdict, kMax> verdict;
  std::array<FrameKind, kMax> kind;

  // Parsing.
  std::array<uint8_t*, kMax> ip;         // the IP header
  std::array<uint16_t, kMax> ip_length;  // bytes of IP: header and payload
  std::array<uint16_t, kMax> ip_header;  // of these, header with options or extensions
  std::array<bool, kMax> is_v6;
  std::array<uint16_t, kMax> service;  // kDatagram, kIcmpError

  // Headers (RFC 8999).
  std::array<bool, kMax> is_long;
  std::array<Slice, kMax> dcid;     // short header: all that follows the first octet
  std::array<Slice, kMax> scid;     // long header only
  std::array<Slice, kMax> payload;  // of UDP

  // Routing.
  std::array<uint64_t, kMax> hash;  // of the addresses and ports; made where it is needed
  std::array<RoutingStep, kMax> step;
  std::array<uint16_t, kMax> slot;  // of the backend; kNoSlot: not found
};

}  // namespace viaduct::lb
