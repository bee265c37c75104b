// Frames are written whole or not at all: false, and nothing written, where one does not fit.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "base/bytes.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

bool write_padding(ByteWriter& writer, size_t count);
bool write_ping(ByteWriter& writer);
bool write_reset_stream(ByteWriter& writer, uint64_t stream, uint64_t error, uint64_t final_size);
bool write_reset_stream_at(ByteWriter& writer, uint64_t stream, uint64_t error, uint64_t final_size,
                           uint64_t reliable_size);
bool write_stop_sending(ByteWriter& writer, uint64_t stream, uint64_t error);
bool write_crypto(ByteWriter& writer, uint64_t offset, Bytes data);
bool write_new_token(ByteWriter& writer, Bytes token);
bool write_max_data(ByteWriter& writer, uint64_t limit);
bool write_max_stream_data(ByteWriter& writer, uint64_t stream, uint64_t limit);
bool write_max_streams(ByteWriter& writer, bool unidirectional, uint64_t limit);
bool write_data_blocked(ByteWriter& writer, uint64_t limit);
bool write_stream_data_blocked(ByteWriter& writer, uint64_t stream, uint64_t limit);
bool write_streams_blocked(ByteWriter& writer, bool unidirectional, uint64_t limit);
bool write_new_connection_id(ByteWriter& writer, const NewConnectionIdFrame& frame);
bool write_retire_connection_id(ByteWriter& writer, uint64_t sequence);
bool write_path_challenge(ByteWriter& writer, const PathData& data);
bool write_path_response(ByteWriter& writer, const PathData& data);
// The reason is cut to what fits. An application's close has no frame type.
bool write_connection_close(ByteWriter& writer, const TransportError& error);
bool write_application_close(ByteWriter& writer, uint64_t error, Bytes reason);
bool write_handshake_done(ByteWriter& writer);
bool write_ack_frequency(ByteWriter& writer, const AckFrequencyFrame& frame);

// STREAM, CRYPTO and DATAGRAM bytes are sealed from where they lie: only their header is written here, always with a
// length so that other frames can follow. *_data_room() says how many bytes fit behind a header in a packet with
// `room` bytes left; 0 also where not even the header fits.
bool write_stream_header(ByteWriter& writer, uint64_t stream, uint64_t offset, size_t length, bool fin);
bool write_crypto_header(ByteWriter& writer, uint64_t offset, size_t length);
bool write_datagram_header(ByteWriter& writer, size_t length);

size_t stream_header_size(uint64_t stream, uint64_t offset, size_t length);
size_t crypto_header_size(uint64_t offset, size_t length);
size_t datagram_header_size(size_t length);

size_t stream_data_room(size_t room, uint64_t stream, uint64_t offset);
size_t crypto_data_room(size_t room, uint64_t offset);
size_t datagram_data_room(size_t room);

// The ranges of an ACK frame, from the largest down: AckRanges, or a test's own.
template <class R>
concept DescendingRanges = requires(const R& ranges, size_t i) {
  { ranges.size() } -> std::convertible_to<size_t>;
  { ranges.from_largest(i) } -> std::convertible_to<PacketRange>;
};

namespace ack_detail {
constexpr size_t kMaxCountSize = 2;  // ranges written are far below 16384
inline size_t head_size(PacketRange first, uint64_t delay) {
  return 1 + varint_size(first.largest) + varint_size(delay) + kMaxCountSize +
         varint_size(first.largest - first.smallest);
}
inline size_t ecn_size(const EcnCounts& ecn) {
  return varint_size(ecn.ect0) + varint_size(ecn.ect1) + varint_size(ecn.ce);
}
}  // namespace ack_detail

// An ACK frame with as many ranges as fit, the largest first; there must be one. delay: already shifted by our
// ack_delay_exponent. ecn: null for a frame without counts. Where the lowest ranges did not fit, a later ACK has them.
template <DescendingRanges R>
bool write_ack(ByteWriter& writer, const R& ranges, uint64_t delay, const EcnCounts* ecn) {
  const PacketRange first = ranges.from_largest(0);
  const size_t tail = ecn ? ack_detail::ecn_size(*ecn) : 0;
  size_t size = ack_detail::head_size(first, delay) + tail;
  if (size > writer.remaining()) return false;

  const auto gap_of = [&](size_t i) {
    return ranges.from_largest(i - 1).smallest - ranges.from_largest(i).largest - 2;
  };
  const auto length_of = [&](size_t i) { return ranges.from_largest(i).largest - ranges.from_largest(i).smallest; };
  size_t count = 1;
  for (; count < ranges.size(); ++count) {
    size += varint_size(gap_of(count)) + varint_size(length_of(count));
    if (size > writer.remaining()) break;
  }

  writer.varint(ecn ? 0x03 : 0x02);
  writer.varint(first.largest);
  writer.varint(delay);
  writer.varint(count - 1);
  writer.varint(length_of(0));
  for (size_t i = 1; i < count; ++i) {
    writer.varint(gap_of(i));
    writer.varint(length_of(i));
  }
  if (ecn) {
    writer.varint(ecn->ect0);
    writer.varint(ecn->ect1);
    writer.varint(ecn->ce);
  }
  return true;
}

}  // namespace viaduct::quic
