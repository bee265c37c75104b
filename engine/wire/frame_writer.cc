#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

// Writes a frame of a type and integers.
template <class... Fields>
bool write_integers(ByteWriter& writer, uint64_t type, Fields... fields) {
  if (varint_size(type) + (size_t{0} + ... + varint_size(fields)) > writer.remaining()) return false;
  writer.varint(type);
  (writer.varint(fields), ...);
  return true;
}

bool write_path_data(ByteWriter& writer, uint64_t type, const PathData& data) {
  if (1 + data.size() > writer.remaining()) return false;
  writer.varint(type);
  writer.bytes(data);
  return true;
}

// The most bytes that fit in `room` together with the varint that says how many they are.
size_t room_behind_length(size_t room) {
  for (const size_t length_size : {1, 2, 4, 8}) {
    if (room <= length_size) return 0;
    const size_t data = room - length_size;
    if (varint_size(data) <= length_size) return data;
    // One byte more of length would be needed: the largest that a length of this size can say.
    const size_t largest = (size_t{1} << (8 * length_size - 2)) - 1;
    if (room - largest <= 2 * length_size) return largest;
  }
  return 0;
}

// The close frame's head, and as much of the reason as fits behind it.
template <class... Fields>
bool write_close(ByteWriter& writer, uint64_t type, Bytes reason, Fields... fields) {
  const size_t head = varint_size(type) + (size_t{0} + ... + varint_size(fields));
  if (head + 1 > writer.remaining()) return false;
  reason = reason.first(std::min(reason.size(), room_behind_length(writer.remaining() - head)));
  write_integers(writer, type, fields..., reason.size());
  writer.bytes(reason);
  return true;
}

uint64_t stream_type(uint64_t offset, bool fin) { return 0x08 | 0x02 | (offset > 0 ? 0x04 : 0) | (fin ? 0x01 : 0); }

size_t stream_head_size(uint64_t stream, uint64_t offset) {
  return 1 + varint_size(stream) + (offset > 0 ? varint_size(offset) : 0);
}

}  // namespace

bool write_padding(ByteWriter& writer, size_t count) {
  if (count > writer.remaining()) return false;
  writer.fill(0, count);
  return true;
}

bool write_ping(ByteWriter& writer) { return write_integers(writer, 0x01); }

bool write_reset_stream(ByteWriter& writer, uint64_t stream, uint64_t error, uint64_t final_size) {
  return write_integers(writer, 0x04, stream, error, final_size);
}

bool write_reset_stream_at(ByteWriter& writer, uint64_t stream, uint64_t error, uint64_t final_size,
                           uint64_t reliable_size) {
  return write_integers(writer, 0x24, stream, error, final_size, reliable_size);
}

bool write_stop_sending(ByteWriter& writer, uint64_t stream, uint64_t error) {
  return write_integers(writer, 0x05, stream, error);
}

bool write_crypto(ByteWriter& writer, uint64_t offset, Bytes data) {
  if (crypto_header_size(offset, data.size()) + data.size() > writer.remaining()) return false;
  write_crypto_header(writer, offset, data.size());
  writer.bytes(data);
  return true;
}

bool write_new_token(ByteWriter& writer, Bytes token) {
  if (1 + varint_size(token.size()) + token.size() > writer.remaining()) return false;
  write_integers(writer, 0x07, token.size());
  writer.bytes(token);
  return true;
}

bool write_max_data(ByteWriter& writer, uint64_t limit) { return write_integers(writer, 0x10, limit); }

bool write_max_stream_data(ByteWriter& writer, uint64_t stream, uint64_t limit) {
  return write_integers(writer, 0x11, stream, limit);
}

bool write_max_streams(ByteWriter& writer, bool unidirectional, uint64_t limit) {
  return write_integers(writer, unidirectional ? 0x13 : 0x12, limit);
}

bool write_data_blocked(ByteWriter& writer, uint64_t limit) { return write_integers(writer, 0x14, limit); }

bool write_stream_data_blocked(ByteWriter& writer, uint64_t stream, uint64_t limit) {
  return write_integers(writer, 0x15, stream, limit);
}

bool write_streams_blocked(ByteWriter& writer, bool unidirectional, uint64_t limit) {
  return write_integers(writer, unidirectional ? 0x17 : 0x16, limit);
}

bool write_new_connection_id(ByteWriter& writer, const NewConnectionIdFrame& frame) {
  const size_t size =
      1 + varint_size(frame.sequence) + varint_size(frame.retire_prior_to) + 1 + frame.id.size() + frame.token.size();
  if (size > writer.remaining()) return false;
  write_integers(writer, 0x18, frame.sequence, frame.retire_prior_to);
  writer.u8(static_cast<uint8_t>(frame.id.size()));
  writer.bytes(frame.id.bytes());
  writer.bytes(frame.token);
  return true;
}

bool write_retire_connection_id(ByteWriter& writer, uint64_t sequence) {
  return write_integers(writer, 0x19, sequence);
}

bool write_path_challenge(ByteWriter& writer, const PathData& data) { return write_path_data(writer, 0x1a, data); }

bool write_path_response(ByteWriter& writer, const PathData& data) { return write_path_data(writer, 0x1b, data); }

bool write_connection_close(ByteWriter& writer, const TransportError& error) {
  const Bytes reason{reinterpret_cast<const uint8_t*>(error.reason.data()), error.reason.size()};
  return write_close(writer, 0x1c, reason, error.wire_code(), error.frame_type);
}

bool write_application_close(ByteWriter& writer, uint64_t error, Bytes reason) {
  return write_close(writer, 0x1d, reason, error);
}

bool write_handshake_done(ByteWriter& writer) { return write_integers(writer, 0x1e); }

bool write_ack_frequency(ByteWriter& writer, const AckFrequencyFrame& frame) {
  return write_integers(writer, 0xaf, frame.sequence, frame.threshold, frame.max_delay_us, frame.reordering);
}

bool write_stream_header(ByteWriter& writer, uint64_t stream, uint64_t offset, size_t length, bool fin) {
  if (offset == 0) return write_integers(writer, stream_type(offset, fin), stream, length);
  return write_integers(writer, stream_type(offset, fin), stream, offset, length);
}

bool write_crypto_header(ByteWriter& writer, uint64_t offset, size_t length) {
  return write_integers(writer, 0x06, offset, length);
}

bool write_datagram_header(ByteWriter& writer, size_t length) { return write_integers(writer, 0x31, length); }

size_t stream_header_size(uint64_t stream, uint64_t offset, size_t length) {
  return stream_head_size(stream, offset) + varint_size(length);
}

size_t crypto_header_size(uint64_t offset, size_t length) { return 1 + varint_size(offset) + varint_size(length); }

size_t datagram_header_size(size_t length) { return 1 + varint_size(length); }

size_t stream_data_room(size_t room, uint64_t stream, uint64_t offset) {
  const size_t head = stream_head_size(stream, offset);
  return room <= head ? 0 : room_behind_length(room - head);
}

size_t crypto_data_room(size_t room, uint64_t offset) {
  const size_t head = 1 + varint_size(offset);
  return room <= head ? 0 : room_behind_length(room - head);
}

size_t datagram_data_room(size_t room) { return room <= 1 ? 0 : room_behind_length(room - 1); }

}  // namespace viaduct::quic
