// The frames that the balancer's stages work on, as a structure of arrays: stage after stage adds to them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "apps/lb/routing_snapshot.h"
#include "apps/lb/verdicts.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "flowsteer/invariants.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/wire.h"

namespace viaduct::lb {

// What a frame is about.
enum class FrameKind : uint8_t {
  kDatagram,      // UDP for a service, whose ID did not say where to go
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
inline constexpr Verdict kVerdictOfStep[] = {Verdict::kNone, kRoutedById,        kRoutedByScid,
                                             kRoutedByDcid,  kRoutedByAddresses, kRoutedAsNew};

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
//
// What nearly all frames turn out to be, a datagram of IPv4 that its connection ID routes and that is sent on, is what
// begin() writes for all of them, in wide stores. Stages write only what differs.
struct Burst {
  static constexpr size_t kMax = 2 * kBurst;

  unsigned count = 0;
  // Whether a frame ended in another way than begin() says, or was routed in another.
  bool is_mixed = false;
  Packet* packet[kMax];

  // What becomes of it.
  Verdict verdict[kMax];
  FrameKind kind[kMax];
  bool sends[kMax];  // as it is now

  // Parsing.
  uint8_t* ip[kMax];         // the IP header
  uint16_t ip_length[kMax];  // bytes of IP: header and payload
  uint16_t ip_header[kMax];  // of these, header with options or extensions
  bool is_v6[kMax];
  uint16_t service[kMax];  // of a datagram or an ICMP error

  // Long headers (RFC 8999) that are whole.
  bool is_long[kMax];
  Slice long_dcid[kMax], long_scid[kMax];

  // Routing.
  uint64_t hash[kMax];  // of the addresses and ports; made where it is needed
  RoutingStep step[kMax];
  uint16_t slot[kMax];  // of the backend; kNoSlot: not found

  // Begins with `count` packets, in `packet`.
  void begin() {
    is_mixed = false;
    count <= kBurst ? fill<kBurst>() : fill<kMax>();
  }
  // What the frame is has to be found out.
  void set_aside(unsigned i, FrameKind as) {
    kind[i] = as;
    verdict[i] = Verdict::kNone;
    sends[i] = false;
    step[i] = RoutingStep::kNone;
  }
  // It goes to a backend, unless that fails.
  void route(unsigned i, uint16_t to, RoutingStep by) {
    kind[i] = FrameKind::kEnded;
    verdict[i] = kVerdictOfStep[static_cast<size_t>(by)];
    sends[i] = true;
    step[i] = by;
    slot[i] = to;
    is_mixed |= by != RoutingStep::kId;
  }
  void end(unsigned i, Verdict with) {
    kind[i] = FrameKind::kEnded;
    verdict[i] = with;
    sends[i] = false;
    is_mixed = true;
  }

  // Of a datagram, as long as its UDP header is there.
  const uint8_t* udp(unsigned i) const { return ip[i] + ip_header[i]; }
  Slice payload(unsigned i) const {
    return {udp(i) + net::kUdpHeader, static_cast<uint16_t>(net::load_u16(udp(i) + 4) - net::kUdpHeader)};
  }
  // Short header: all that follows the first octet. None where a long one ends too early.
  Slice dcid(unsigned i) const {
    if (is_long[i]) return long_dcid[i];
    const Slice quic = payload(i);
    if (quic.size == 0 || quic.data[0] & flowsteer::kLongHeaderBit) return {quic.data, 0};
    return {quic.data + 1, static_cast<uint16_t>(quic.size - 1)};
  }

 private:
  // In no more room than a burst of the port takes, where that is all.
  template <size_t kCount>
  void fill() {
    std::fill_n(kind, kCount, FrameKind::kEnded);
    std::fill_n(verdict, kCount, kRoutedById);
    std::fill_n(sends, kCount, true);
    std::fill_n(ip_header, kCount, uint16_t{net::kIpv4Header});
    std::fill_n(is_v6, kCount, false);
    std::fill_n(service, kCount, ServiceTable::kNone);
    std::fill_n(is_long, kCount, false);
    std::fill_n(step, kCount, RoutingStep::kId);
    std::fill_n(slot, kCount, kNoSlot);
  }
};

}  // namespace viaduct::lb
