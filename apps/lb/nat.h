// Translated flows: for servers that know nothing of a balancer.
#pragma once

#include <cstdint>

#include "apps/lb/flow_table.h"
#include "apps/lb/huge_memory.h"
#include "apps/lb/tunnel_headers.h"
#include "base/address.h"
#include "base/instant.h"

namespace viaduct::lb {

// A client's flow to one server, as the server sees it: from an address of ours and a port that stands for the flow.
// One cache line.
struct alignas(64) NatSession {
  uint64_t key = 0;
  uint32_t seen = 0;           // second of the last use, counted from 1; 0: never used
  uint16_t slot = 0;           // the backend
  net::MacAddress client_mac;  // where the client's frames come from and its answers go to
  SocketAddress client;
  SocketAddress service;
};
static_assert(sizeof(NatSession) == 64);

// One worker's sessions and ports. A port is not given to another flow before the session's timeout.
class NatTable {
 public:
  static constexpr uint16_t kNone = 0xffff;

  NatTable(size_t sessions, uint16_t first_port, Duration timeout);

  size_t capacity() const { return capacity_; }
  bool owns(uint16_t port) const { return port >= first_port_ && static_cast<size_t>(port - first_port_) < capacity(); }
  uint16_t port_of(uint16_t session) const { return static_cast<uint16_t>(first_port_ + session); }
  NatSession& operator[](uint16_t session) { return sessions_[session]; }

  // The session of a flow's hash with a backend; kNone where there is none.
  uint16_t find(uint64_t flow, uint16_t slot, Instant now) { return check(expect(flow, slot, now), flow, slot, now); }
  // The same in three steps, each of which brings closer what the next one reads; others of a burst come in between.
  void prefetch(uint64_t flow, uint16_t slot) const { index_.prefetch(key_of(flow, slot)); }
  // Which session it has to be, if there is one.
  uint16_t expect(uint64_t flow, uint16_t slot, Instant now) {
    const uint16_t session = index_.find(key_of(flow, slot), now);
    if (session != kNone) __builtin_prefetch(&sessions_[session], 1);
    return session;
  }
  // Whether it is. A session that was used last by its server is younger than its place in the index, and the other
  // way round.
  uint16_t check(uint16_t session, uint64_t flow, uint16_t slot, Instant now) {
    if (session == kNone || sessions_[session].key != key_of(flow, slot)) return kNone;
    if (!is_live(sessions_[session], seconds(now))) return kNone;
    sessions_[session].seen = seconds(now);
    return session;
  }
  // A new one; kNone where all ports are in use.
  uint16_t open(uint64_t flow, uint16_t slot, Instant now);
  // The session whose port it is, if it is in use.
  NatSession* by_port(uint16_t port, Instant now);
  // The same for whoever only wants to know: that keeps no session alive.
  const NatSession* peek_port(uint16_t port, Instant now) const;

 private:
  static uint64_t key_of(uint64_t flow, uint16_t slot) { return (flow ^ slot) * 0xff51afd7ed558ccd; }
  static uint32_t seconds(Instant now) { return static_cast<uint32_t>(now.ns() / 1'000'000'000) + 1; }
  bool is_live(const NatSession& session, uint32_t now) const {
    return session.seen != 0 && now - session.seen <= timeout_;
  }

  size_t capacity_;
  HugeArray<NatSession> sessions_;
  FlowTable index_;  // from keys to sessions
  uint16_t first_port_;
  uint32_t timeout_;
  size_t next_ = 0;  // where to look for a free one
};

// Gives a datagram new addresses and ports, in the family of these. ip_header: bytes of its IP header; they are
// replaced by one without options. The checksum is updated, not computed anew: what arrived wrong stays wrong.
// DSCP and ECN stay. Returns the packet as it is then.
InnerPacket translate(Packet& packet, const InnerPacket& inner, uint16_t ip_header, const SocketAddress& source,
                      const SocketAddress& destination);

// Writes the Ethernet header in front of a packet's IP header.
void write_link(Packet& packet, const InnerPacket& inner, const net::MacAddress& to, const LinkFacts& link);

}  // namespace viaduct::lb
