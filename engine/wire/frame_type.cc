#include "engine/wire/frame_type.h"

namespace viaduct::quic {

std::string_view frame_name(FrameType type) {
  switch (type) {
    case FrameType::kPadding:
      return "PADDING";
    case FrameType::kPing:
      return "PING";
    case FrameType::kAck:
      return "ACK";
    case FrameType::kResetStream:
      return "RESET_STREAM";
    case FrameType::kStopSending:
      return "STOP_SENDING";
    case FrameType::kCrypto:
      return "CRYPTO";
    case FrameType::kNewToken:
      return "NEW_TOKEN";
    case FrameType::kStream:
      return "STREAM";
    case FrameType::kMaxData:
      return "MAX_DATA";
    case FrameType::kMaxStreamData:
      return "MAX_STREAM_DATA";
    case FrameType::kMaxStreams:
      return "MAX_STREAMS";
    case FrameType::kDataBlocked:
      return "DATA_BLOCKED";
    case FrameType::kStreamDataBlocked:
      return "STREAM_DATA_BLOCKED";
    case FrameType::kStreamsBlocked:
      return "STREAMS_BLOCKED";
    case FrameType::kNewConnectionId:
      return "NEW_CONNECTION_ID";
    case FrameType::kRetireConnectionId:
      return "RETIRE_CONNECTION_ID";
    case FrameType::kPathChallenge:
      return "PATH_CHALLENGE";
    case FrameType::kPathResponse:
      return "PATH_RESPONSE";
    case FrameType::kConnectionClose:
      return "CONNECTION_CLOSE";
    case FrameType::kHandshakeDone:
      return "HANDSHAKE_DONE";
    case FrameType::kImmediateAck:
      return "IMMEDIATE_ACK";
    case FrameType::kDatagram:
      return "DATAGRAM";
    case FrameType::kAckFrequency:
      return "ACK_FREQUENCY";
  }
  return "UNKNOWN";
}

}  // namespace viaduct::quic
