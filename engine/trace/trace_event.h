// What a connection that is watched does: small events, from which somebody else writes a log.
#pragma once

#include <array>
#include <cstdint>

#include "base/instant.h"

namespace viaduct::quic {

enum class TraceType : uint8_t {
  kStarted,     // bytes: the original destination connection ID, length its size; role in `detail`
  kPath,        // bytes: the peer's address, its port behind it
  kParameters,  // of the peer: max data, stream data of ours, streams bidi, streams uni, idle timeout in ms
  kFrame,       // of the packet that follows; detail: its FrameType; values as kFrameValues of qlog.cc names them
  kAckRanges,   // up to two ranges of the kFrame before: smallest, largest, smallest, largest; length: how many
  kSent,        // a packet: number; detail: PacketType; length: bytes with its tag
  kReceived,    // the same
  kLost,        // number; detail: PacketType
  kMetrics,     // window, bytes in flight, and in ns: smallest, smoothed, latest round trip
  kClosed,      // error; flag: the application's
  kGone,        // nothing more comes of this connection
};

// The connection's number is unique among those of its endpoint.
struct alignas(64) TraceEvent {
  TraceType type = TraceType::kStarted;
  uint8_t detail = 0;
  bool flag = false;
  uint8_t reserved = 0;
  uint32_t length = 0;
  uint64_t connection = 0;
  Instant time;
  union {
    std::array<uint64_t, 5> values{};
    std::array<uint8_t, 40> bytes;
  };
};
static_assert(sizeof(TraceEvent) == 64);

}  // namespace viaduct::quic
