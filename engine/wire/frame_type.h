// Frame types and the rules that hold for whole types (RFC 9000 section 12.4 table 3, RFC 9221 section 4).
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/wire/role.h"
#include "engine/wire/version.h"

namespace viaduct::quic {

// By their first number on the wire; the types that only differ in flags or in what they count are told apart by
// the frame's fields.
enum class FrameType : uint8_t {
  kPadding = 0x00,
  kPing = 0x01,
  kAck = 0x02,          // and 0x03, with ECN counts
  kResetStream = 0x04,  // and 0x24, RESET_STREAM_AT (draft-ietf-quic-reliable-stream-reset)
  kStopSending = 0x05,
  kCrypto = 0x06,
  kNewToken = 0x07,
  kStream = 0x08,  // to 0x0f
  kMaxData = 0x10,
  kMaxStreamData = 0x11,
  kMaxStreams = 0x12,  // bidirectional; 0x13 unidirectional
  kDataBlocked = 0x14,
  kStreamDataBlocked = 0x15,
  kStreamsBlocked = 0x16,  // bidirectional; 0x17 unidirectional
  kNewConnectionId = 0x18,
  kRetireConnectionId = 0x19,
  kPathChallenge = 0x1a,
  kPathResponse = 0x1b,
  kConnectionClose = 0x1c,  // 0x1d: the application's
  kHandshakeDone = 0x1e,
  kImmediateAck = 0x1f,  // draft-ietf-quic-ack-frequency, as is 0xaf
  kDatagram = 0x30,      // and 0x31, with a length
  kAckFrequency = 0xaf,
};

// Whether the peer must acknowledge a packet with such a frame (RFC 9000 section 1.2).
constexpr bool is_ack_eliciting(FrameType type) {
  return type != FrameType::kPadding && type != FrameType::kAck && type != FrameType::kConnectionClose;
}

// Whether a packet of only such frames leaves the peer's path as it is (RFC 9000 section 9.1).
constexpr bool is_probing(FrameType type) {
  return type == FrameType::kPadding || type == FrameType::kNewConnectionId || type == FrameType::kPathChallenge ||
         type == FrameType::kPathResponse;
}

// Whether packets of this type may carry the frame. wire_type tells the two CONNECTION_CLOSE apart.
constexpr bool is_allowed_in(FrameType type, uint64_t wire_type, PacketType packet) {
  switch (type) {
    case FrameType::kPadding:
    case FrameType::kPing:
      return true;
    case FrameType::kAck:
    case FrameType::kCrypto:
      return packet != PacketType::kZeroRtt;
    case FrameType::kConnectionClose:
      return wire_type == 0x1c || packet == PacketType::kZeroRtt || packet == PacketType::kOneRtt;
    case FrameType::kNewToken:
    case FrameType::kPathResponse:
    case FrameType::kRetireConnectionId:
    case FrameType::kHandshakeDone:
    case FrameType::kImmediateAck:
    case FrameType::kAckFrequency:
      return packet == PacketType::kOneRtt;
    default:
      return packet == PacketType::kZeroRtt || packet == PacketType::kOneRtt;
  }
}

// NEW_TOKEN and HANDSHAKE_DONE come from servers alone (RFC 9000 sections 19.7 and 19.20).
constexpr bool may_be_sent_by(FrameType type, Role sender) {
  return sender == Role::kServer || (type != FrameType::kNewToken && type != FrameType::kHandshakeDone);
}

// The RFC's name.
std::string_view frame_name(FrameType type);

}  // namespace viaduct::quic
