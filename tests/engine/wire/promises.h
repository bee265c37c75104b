// What parsers promise of what they accepted, whatever the bytes were: for tests that feed them garbage.
#pragma once

#include <string_view>

#include "engine/wire/frames.h"
#include "engine/wire/packet_header.h"
#include "engine/wire/transport_parameters.h"

namespace viaduct::quic::test {

// part is empty or lies inside of whole.
inline bool lies_in(Bytes part, Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// Each of these names the promise that is broken; empty where none is.

inline std::string_view broken_promise(const AckFrame& ack) {
  AckRangeReader reader(ack);
  uint64_t bound = ack.largest + 1;
  uint64_t ranges = 0;
  for (PacketRange range; reader.next(range); ++ranges) {
    if (range.smallest > range.largest || range.largest >= bound) return "ranges descend and do not overlap";
    bound = range.smallest;
  }
  return ranges == ack.range_count + 1 ? "" : "as many ranges as were announced";
}

inline std::string_view broken_promise(const Frame& frame, Bytes packet) {
  const auto promise = [](bool holds, std::string_view text) { return holds ? std::string_view() : text; };
  switch (frame.type) {
    case FrameType::kAck:
      return broken_promise(frame.ack);
    case FrameType::kStream:
      if (!lies_in(frame.stream.data, packet)) return "STREAM data lies in the packet";
      return promise(frame.stream.offset + frame.stream.data.size() <= kMaxVarint, "a stream ends below 2^62");
    case FrameType::kCrypto:
      return promise(lies_in(frame.crypto.data, packet), "CRYPTO data lies in the packet");
    case FrameType::kNewToken:
      return promise(!frame.new_token.token.empty() && lies_in(frame.new_token.token, packet), "a token is something");
    case FrameType::kNewConnectionId:
      if (frame.new_connection_id.id.empty()) return "a new connection ID is not empty";
      return promise(frame.new_connection_id.retire_prior_to <= frame.new_connection_id.sequence,
                     "a new connection ID retires older ones");
    case FrameType::kMaxStreams:
      return promise(frame.max_streams.limit <= kMaxStreamCount, "at most 2^60 streams");
    case FrameType::kStreamsBlocked:
      return promise(frame.streams_blocked.limit <= kMaxStreamCount, "at most 2^60 streams");
    case FrameType::kConnectionClose:
      return promise(lies_in(frame.connection_close.reason, packet), "a reason lies in the packet");
    case FrameType::kDatagram:
      if (!lies_in(frame.datagram.data, packet)) return "DATAGRAM data lies in the packet";
      return promise(frame.datagram.frame_size <= packet.size(), "a DATAGRAM frame is no larger than its packet");
    default:
      return {};
  }
}

inline std::string_view broken_promise(const PacketHeader& header, Bytes datagram) {
  if (header.size == 0 || header.size > datagram.size()) return "a packet lies in its datagram";
  for (const Bytes part : {header.dcid, header.scid, header.token, header.retry_tag, header.versions}) {
    if (!lies_in(part, datagram.first(header.size))) return "a field lies in its packet";
  }
  const bool holds_sample =
      header.packet_number_offset == 0 || header.packet_number_offset + kMinProtectedSize <= header.size;
  return holds_sample ? "" : "a packet holds its sample";
}

inline std::string_view broken_promise(const TransportParameters& parameters) {
  if (parameters.max_udp_payload_size < 1200) return "max_udp_payload_size is at least 1200";
  if (parameters.ack_delay_exponent > 20) return "ack_delay_exponent is at most 20";
  if (parameters.max_ack_delay >= 1u << 14) return "max_ack_delay is below 2^14";
  if (parameters.active_connection_id_limit < 2) return "active_connection_id_limit is at least 2";
  if (parameters.initial_max_streams_bidi > kMaxStreamCount) return "at most 2^60 bidirectional streams";
  if (parameters.initial_max_streams_uni > kMaxStreamCount) return "at most 2^60 unidirectional streams";
  return {};
}

}  // namespace viaduct::quic::test
