// A packet: a view over bytes that a port owns, with what the floors have learned about it.
#pragma once

#include <cstdint>
#include <span>

#include "base/address.h"

namespace viaduct {

// Explicit congestion notification codepoints (RFC 3168 section 5).
enum class Ecn : uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

// Lives beside its bytes (in a DPDK mbuf's private area, say); a port hands out pointers and takes
// them back with release() or send(). One worker at a time touches a packet.
//
// A received packet's data() is a UDP payload on the engine's floor and a whole frame on a frame
// port; a packet to send is the same the other way round: the port writes the headers in front.
struct Packet {
  uint8_t* buffer = nullptr;  // first byte of the room
  uint16_t capacity = 0;      // bytes of room
  uint16_t offset = 0;        // first byte of data within the room
  uint16_t length = 0;        // bytes of data
  Ecn ecn = Ecn::kNotEct;     // as received, or as to be sent
  uint8_t flags = 0;          // the port's own
  uint32_t references = 0;    // holders besides the worker's pass over it; plain, see DESIGN
  Path path;                  // from where to where

  uint8_t* data() { return buffer + offset; }
  const uint8_t* data() const { return buffer + offset; }
  std::span<uint8_t> bytes() { return {data(), length}; }
  std::span<const uint8_t> bytes() const { return {data(), length}; }
  // Bytes that fit from data() on.
  uint16_t room() const { return static_cast<uint16_t>(capacity - offset); }
};

// How many packets the stages of a worker work on at a time.
inline constexpr unsigned kBurst = 32;

// Room that every packet has in front of its data for the headers below UDP's payload:
// Ethernet with a tag (18), IPv6 (40) twice for a tunnel, UDP (8) twice, GUE (4), rounded up.
inline constexpr uint16_t kHeadroom = 128;

}  // namespace viaduct
