// Path-MTU messages (ICMP "fragmentation needed", ICMPv6 "packet too big"), told to every worker.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace viaduct::net {

// A router's claim about a packet that it could not forward. It is not authenticated: the quoted bytes let the
// transport check that it is about a datagram of its own (RFC 9000 section 14.2.1).
struct PathMtuMessage {
  Path path;
  uint16_t mtu = 0;          // bytes of IP that fit, below the interface's MTU; at least 576 (IPv4) or 1,280 (IPv6)
  uint16_t udp_payload = 0;  // bytes of UDP payload that fit: mtu less the headers
  uint8_t quoted_length = 0;
  std::array<uint8_t, 48> quoted{};  // the start of the UDP payload, as far as the router quoted it

  Bytes quoted_bytes() const { return {quoted.data(), quoted_length}; }
};

// The last messages, written by whichever worker's queue they came to and read by all: a message concerns the owner of
// the connection, who may be another worker. Nobody waits; a reader that falls behind by more than kSize misses some.
class PathMtuLog {
 public:
  static constexpr uint64_t kSize = 64;

  void write(const PathMtuMessage& message);
  // Reads the message at cursor, if there is one, and moves on. Returns false when there is none.
  bool read(uint64_t& cursor, PathMtuMessage& message) const;
  uint64_t written() const { return next_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kWords = (sizeof(PathMtuMessage) + 7) / 8;
  struct Slot {
    std::atomic<uint64_t> sequence{0};  // 2 n + 2 once message n is whole, 2 n + 1 while it is written
    std::array<std::atomic<uint64_t>, kWords> words{};
  };
  std::atomic<uint64_t> next_{0};
  std::array<Slot, kSize> slots_;
};

}  // namespace viaduct::net
