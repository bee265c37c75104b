#include "engine/wire/frames.h"

#include <optional>

namespace viaduct::quic {
namespace {

TransportError encoding_error(uint64_t wire_type, std::string_view reason) {
  return {ErrorCode::kFrameEncodingError, wire_type, reason};
}

// The type of a frame by its number on the wire; empty for one that is not known.
std::optional<FrameType> type_of(uint64_t wire_type) {
  if (wire_type <= 0x01) return static_cast<FrameType>(wire_type);
  if (wire_type <= 0x03) return FrameType::kAck;
  if (wire_type <= 0x07) return static_cast<FrameType>(wire_type);
  if (wire_type <= 0x0f) return FrameType::kStream;
  if (wire_type <= 0x11) return static_cast<FrameType>(wire_type);
  if (wire_type <= 0x13) return FrameType::kMaxStreams;
  if (wire_type <= 0x15) return static_cast<FrameType>(wire_type);
  if (wire_type <= 0x17) return FrameType::kStreamsBlocked;
  if (wire_type <= 0x1b) return static_cast<FrameType>(wire_type);
  if (wire_type <= 0x1d) return FrameType::kConnectionClose;
  if (wire_type <= 0x1f) return static_cast<FrameType>(wire_type);
  if (wire_type == 0x24) return FrameType::kResetStream;
  if (wire_type == 0x30 || wire_type == 0x31) return FrameType::kDatagram;
  if (wire_type == 0xaf) return FrameType::kAckFrequency;
  return std::nullopt;
}

void parse_padding(ByteReader& reader, Frame& frame) {
  frame.padding = {1};
  while (!reader.empty() && *reader.position() == 0) {
    reader.skip(1);
    ++frame.padding.count;
  }
}

// Walks over the ranges, so that AckRangeReader can read them unchecked (RFC 9000 section 19.3.1).
// meets RFC 9000 19.3.1-1
std::string_view check_ack_ranges(ByteReader& reader, AckFrame& ack) {
  if (ack.first_range > ack.largest) return "ACK range below zero";
  uint64_t smallest = ack.largest - ack.first_range;
  const uint8_t* begin = reader.position();
  for (uint64_t i = 0; i < ack.range_count && reader.ok(); ++i) {
    const uint64_t gap = reader.varint();
    const uint64_t length = reader.varint();
    if (gap + 2 > smallest || length > smallest - gap - 2) return "ACK range below zero";
    smallest -= gap + 2 + length;
  }
  if (reader.ok()) ack.encoded_ranges = {begin, reader.position()};
  return {};
}

// meets RFC 9000 19.3-1
std::string_view parse_ack(ByteReader& reader, Frame& frame) {
  frame.ack = {};
  AckFrame& ack = frame.ack;
  ack.largest = reader.varint();
  ack.delay = reader.varint();
  ack.range_count = reader.varint();
  ack.first_range = reader.varint();
  if (!reader.ok()) return {};
  if (const auto fault = check_ack_ranges(reader, ack); !fault.empty()) return fault;
  ack.has_ecn = frame.wire_type == 0x03;
  if (ack.has_ecn) {
    ack.ecn.ect0 = reader.varint();
    ack.ecn.ect1 = reader.varint();
    ack.ecn.ce = reader.varint();
  }
  return {};
}

// meets RFC 9000 19.8-2
std::string_view parse_stream(ByteReader& reader, Frame& frame) {
  frame.stream = {};
  StreamFrame& stream = frame.stream;
  stream.stream = reader.varint();
  if (frame.wire_type & 0x04) stream.offset = reader.varint();
  stream.data = (frame.wire_type & 0x02) ? reader.bytes(reader.varint()) : reader.rest();
  stream.fin = (frame.wire_type & 0x01) != 0;
  return stream.data.size() > kMaxVarint - stream.offset ? "STREAM beyond the largest offset" : "";
}

std::string_view parse_reset_stream(ByteReader& reader, Frame& frame) {
  frame.reset_stream = {.stream = reader.varint(), .error = reader.varint(), .final_size = reader.varint()};
  if (frame.wire_type == 0x24) frame.reset_stream.reliable_size = reader.varint();
  return frame.reset_stream.reliable_size > frame.reset_stream.final_size ? "RESET_STREAM_AT beyond the final size"
                                                                          : "";
}

// meets RFC 9000 19.6-1
std::string_view parse_crypto(ByteReader& reader, Frame& frame) {
  frame.crypto = {};
  frame.crypto.offset = reader.varint();
  frame.crypto.data = reader.bytes(reader.varint());
  return frame.crypto.data.size() > kMaxVarint - frame.crypto.offset ? "CRYPTO beyond the largest offset" : "";
}

// meets RFC 9000 19.7-2
std::string_view parse_new_token(ByteReader& reader, Frame& frame) {
  frame.new_token = {};
  frame.new_token.token = reader.bytes(reader.varint());
  return reader.ok() && frame.new_token.token.empty() ? "NEW_TOKEN without a token" : "";
}

// meets RFC 9000 4.6-1 19.11-1
std::string_view parse_max_streams(ByteReader& reader, Frame& frame) {
  frame.max_streams = {.unidirectional = frame.wire_type == 0x13, .limit = reader.varint()};
  return frame.max_streams.limit > kMaxStreamCount ? "MAX_STREAMS over 2^60" : "";
}

// meets RFC 9000 19.14-2
std::string_view parse_streams_blocked(ByteReader& reader, Frame& frame) {
  frame.streams_blocked = {.unidirectional = frame.wire_type == 0x17, .limit = reader.varint()};
  return frame.streams_blocked.limit > kMaxStreamCount ? "STREAMS_BLOCKED over 2^60" : "";
}

// meets RFC 9000 19.15-1 19.15-6
std::string_view parse_new_connection_id(ByteReader& reader, Frame& frame) {
  frame.new_connection_id = {};
  NewConnectionIdFrame& added = frame.new_connection_id;
  added.sequence = reader.varint();
  added.retire_prior_to = reader.varint();
  const Bytes id = reader.bytes(reader.u8());
  const Bytes token = reader.bytes(added.token.size());
  if (!reader.ok()) return {};
  if (id.empty() || id.size() > kMaxConnectionIdSize) return "NEW_CONNECTION_ID of a wrong length";
  if (added.retire_prior_to > added.sequence) return "NEW_CONNECTION_ID retires itself";
  added.id = ConnectionId(id);
  std::memcpy(added.token.data(), token.data(), token.size());
  return {};
}

PathData parse_path_data(ByteReader& reader) {
  PathData data{};
  const Bytes bytes = reader.bytes(data.size());
  if (!bytes.empty()) std::memcpy(data.data(), bytes.data(), bytes.size());
  return data;
}

void parse_connection_close(ByteReader& reader, Frame& frame) {
  frame.connection_close = {};
  ConnectionCloseFrame& close = frame.connection_close;
  close.application = frame.wire_type == 0x1d;
  close.error = reader.varint();
  if (!close.application) close.frame_type = reader.varint();
  close.reason = reader.bytes(reader.varint());
}

void parse_datagram(ByteReader& reader, const uint8_t* begin, Frame& frame) {
  frame.datagram = {};
  frame.datagram.data = frame.wire_type == 0x31 ? reader.bytes(reader.varint()) : reader.rest();
  frame.datagram.frame_size = static_cast<uint64_t>(reader.position() - begin);
}

// The fields behind the type. What is wrong with them, or nothing; running out of bytes is the reader's to tell.
std::string_view parse_fields(ByteReader& reader, const uint8_t* begin, Frame& frame) {
  switch (frame.type) {
    case FrameType::kPadding:
      parse_padding(reader, frame);
      break;
    case FrameType::kPing:
    case FrameType::kHandshakeDone:
    case FrameType::kImmediateAck:
      break;
    case FrameType::kAck:
      return parse_ack(reader, frame);
    case FrameType::kResetStream:
      return parse_reset_stream(reader, frame);
    case FrameType::kStopSending:
      frame.stop_sending = {.stream = reader.varint(), .error = reader.varint()};
      break;
    case FrameType::kCrypto:
      return parse_crypto(reader, frame);
    case FrameType::kNewToken:
      return parse_new_token(reader, frame);
    case FrameType::kStream:
      return parse_stream(reader, frame);
    case FrameType::kMaxData:
      frame.max_data = {.limit = reader.varint()};
      break;
    case FrameType::kMaxStreamData:
      frame.max_stream_data = {.stream = reader.varint(), .limit = reader.varint()};
      break;
    case FrameType::kMaxStreams:
      return parse_max_streams(reader, frame);
    case FrameType::kDataBlocked:
      frame.data_blocked = {.limit = reader.varint()};
      break;
    case FrameType::kStreamDataBlocked:
      frame.stream_data_blocked = {.stream = reader.varint(), .limit = reader.varint()};
      break;
    case FrameType::kStreamsBlocked:
      return parse_streams_blocked(reader, frame);
    case FrameType::kNewConnectionId:
      return parse_new_connection_id(reader, frame);
    case FrameType::kRetireConnectionId:
      frame.retire_connection_id = {.sequence = reader.varint()};
      break;
    case FrameType::kPathChallenge:
      frame.path_challenge = {parse_path_data(reader)};
      break;
    case FrameType::kPathResponse:
      frame.path_response = {parse_path_data(reader)};
      break;
    case FrameType::kConnectionClose:
      parse_connection_close(reader, frame);
      break;
    case FrameType::kDatagram:
      parse_datagram(reader, begin, frame);
      break;
    case FrameType::kAckFrequency:
      frame.ack_frequency = {.sequence = reader.varint(),
                             .threshold = reader.varint(),
                             .max_delay_us = reader.varint(),
                             .reordering = reader.varint()};
      break;
  }
  return {};
}

}  // namespace

TransportError parse_frame(ByteReader& payload, PacketType packet, Role sender, Frame& frame) {
  const uint8_t* begin = payload.position();
  frame.wire_type = payload.varint();
  if (!payload.ok()) return encoding_error(0, "frame type cut off");
  const auto type_size = static_cast<size_t>(payload.position() - begin);
  // meets RFC 9000 12.4-5
  if (type_size != varint_size(frame.wire_type)) {
    return {ErrorCode::kProtocolViolation, frame.wire_type, "frame type not in its shortest form"};
  }
  // meets RFC 9000 12.4-4
  const auto type = type_of(frame.wire_type);
  if (!type) return encoding_error(frame.wire_type, "unknown frame type");
  frame.type = *type;
  // meets RFC 9000 12.4-3 17.2.4-1
  // meets RFC 9001 8.3-2
  // meets RFC 9221 5-4
  if (!is_allowed_in(frame.type, frame.wire_type, packet)) {
    return {ErrorCode::kProtocolViolation, frame.wire_type, "frame not allowed in this packet type"};
  }
  // meets RFC 9000 19.7-4 19.20-2
  if (!may_be_sent_by(frame.type, sender)) {
    return {ErrorCode::kProtocolViolation, frame.wire_type, "frame only a server may send"};
  }

  const std::string_view fault = parse_fields(payload, begin, frame);
  if (!payload.ok()) return encoding_error(frame.wire_type, "frame cut off");
  if (!fault.empty()) return encoding_error(frame.wire_type, fault);
  return {};
}

}  // namespace viaduct::quic
