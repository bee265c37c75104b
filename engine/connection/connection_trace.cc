// What a watched connection tells its log. Nothing here changes what it does.
#include <algorithm>

#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/trace/tracer.h"

namespace viaduct::quic {
namespace {

// Ranges of an ACK frame that are told.
constexpr size_t kTracedRanges = 8;

FrameType frame_type_of(SentFrameType type) {
  switch (type) {
    case SentFrameType::kAck:
      return FrameType::kAck;
    case SentFrameType::kCrypto:
      return FrameType::kCrypto;
    case SentFrameType::kStream:
      return FrameType::kStream;
    case SentFrameType::kResetStream:
      return FrameType::kResetStream;
    case SentFrameType::kStopSending:
      return FrameType::kStopSending;
    case SentFrameType::kMaxData:
      return FrameType::kMaxData;
    case SentFrameType::kMaxStreamData:
      return FrameType::kMaxStreamData;
    case SentFrameType::kMaxStreamsBidi:
    case SentFrameType::kMaxStreamsUni:
      return FrameType::kMaxStreams;
    case SentFrameType::kDataBlocked:
      return FrameType::kDataBlocked;
    case SentFrameType::kStreamDataBlocked:
      return FrameType::kStreamDataBlocked;
    case SentFrameType::kStreamsBlockedBidi:
    case SentFrameType::kStreamsBlockedUni:
      return FrameType::kStreamsBlocked;
    case SentFrameType::kNewToken:
      return FrameType::kNewToken;
    case SentFrameType::kNewConnectionId:
      return FrameType::kNewConnectionId;
    case SentFrameType::kRetireConnectionId:
      return FrameType::kRetireConnectionId;
    case SentFrameType::kHandshakeDone:
      return FrameType::kHandshakeDone;
    case SentFrameType::kDatagram:
      return FrameType::kDatagram;
    case SentFrameType::kPathChallenge:
      return FrameType::kPathChallenge;
    case SentFrameType::kAckFrequency:
      return FrameType::kAckFrequency;
    case SentFrameType::kMtuProbe:
      break;
  }
  return FrameType::kPing;
}

// In the order in which qlog.cc names them.
std::array<uint64_t, 5> values_of(const SentFrame& frame) {
  switch (frame.type) {
    case SentFrameType::kStream:
      return {frame.id, frame.offset, frame.length};
    case SentFrameType::kCrypto:
      return {frame.offset, frame.length};
    case SentFrameType::kResetStream:
    case SentFrameType::kStopSending:
    case SentFrameType::kMaxStreamData:
    case SentFrameType::kStreamDataBlocked:
      return {frame.id, frame.offset};
    case SentFrameType::kAck:
      return {};
    case SentFrameType::kDatagram:
      return {frame.length};
    default:
      return {frame.offset};
  }
}

std::array<uint64_t, 5> values_of(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kAck:
      return {frame.ack.delay};
    case FrameType::kResetStream:
      return {frame.reset_stream.stream, frame.reset_stream.error, frame.reset_stream.final_size};
    case FrameType::kStopSending:
      return {frame.stop_sending.stream, frame.stop_sending.error};
    case FrameType::kCrypto:
      return {frame.crypto.offset, frame.crypto.data.size()};
    case FrameType::kStream:
      return {frame.stream.stream, frame.stream.offset, frame.stream.data.size()};
    case FrameType::kMaxData:
      return {frame.max_data.limit};
    case FrameType::kMaxStreamData:
      return {frame.max_stream_data.stream, frame.max_stream_data.limit};
    case FrameType::kMaxStreams:
      return {frame.max_streams.limit};
    case FrameType::kDataBlocked:
      return {frame.data_blocked.limit};
    case FrameType::kStreamDataBlocked:
      return {frame.stream_data_blocked.stream, frame.stream_data_blocked.limit};
    case FrameType::kStreamsBlocked:
      return {frame.streams_blocked.limit};
    case FrameType::kNewConnectionId:
      return {frame.new_connection_id.sequence};
    case FrameType::kRetireConnectionId:
      return {frame.retire_connection_id.sequence};
    case FrameType::kConnectionClose:
      return {frame.connection_close.error};
    case FrameType::kDatagram:
      return {frame.datagram.data.size()};
    default:
      return {};
  }
}

PacketType packet_type_of(PacketSpace space) {
  if (space == PacketSpace::kInitial) return PacketType::kInitial;
  return space == PacketSpace::kHandshake ? PacketType::kHandshake : PacketType::kOneRtt;
}

}  // namespace

void Connection::trace(const TraceEvent& event, Instant now) {
  TraceEvent told = event;
  told.connection = trace_;
  told.time = now;
  shard_.services.tracer->put(told);
}

void Connection::trace_started(Instant now) {
  if (!shard_.services.tracer) return;
  trace_ = shard_.services.tracer->choose(active_.path.remote.ip, shard_.services.random);
  if (!trace_) return;
  TraceEvent started{.type = TraceType::kStarted,
                     .detail = static_cast<uint8_t>(role_),
                     .length = static_cast<uint32_t>(original_dcid_.size())};
  std::ranges::copy(original_dcid_.bytes(), started.bytes.begin());
  trace(started, now);
  TraceEvent path{.type = TraceType::kPath};
  const SocketAddress& remote = active_.path.remote;
  std::ranges::copy(remote.ip.bytes, path.bytes.begin());
  path.bytes[16] = static_cast<uint8_t>(remote.port >> 8);
  path.bytes[17] = static_cast<uint8_t>(remote.port);
  trace(path, now);
}

void Connection::trace_parameters(const TransportParameters& peer, Instant now) {
  trace({.type = TraceType::kParameters,
         .values = {peer.initial_max_data, peer.initial_max_stream_data_bidi_local, peer.initial_max_streams_bidi,
                    peer.initial_max_streams_uni, peer.max_idle_timeout}},
        now);
}

void Connection::trace_sent(const PacketPart& part, Instant now) {
  for (const SentFrame& frame : std::span(part.frames).first(part.frame_count)) {
    trace({.type = TraceType::kFrame,
           .detail = static_cast<uint8_t>(frame_type_of(frame.type)),
           .flag = frame.fin,
           .values = values_of(frame)},
          now);
  }
  if (part.frame_count == 0 && part.ack_eliciting) {
    trace({.type = TraceType::kFrame, .detail = static_cast<uint8_t>(FrameType::kPing)}, now);
  }
  trace({.type = TraceType::kSent,
         .detail = static_cast<uint8_t>(packet_type_of(part.space)),
         .length = static_cast<uint32_t>(part.size()),
         .values = {part.number}},
        now);
}

void Connection::trace_frame(const Frame& frame, Instant now) {
  trace({.type = TraceType::kFrame,
         .detail = static_cast<uint8_t>(frame.type),
         .flag = frame.type == FrameType::kStream && frame.stream.fin,
         .values = values_of(frame)},
        now);
  if (frame.type != FrameType::kAck) return;
  AckRangeReader reader(frame.ack);
  PacketRange range;
  for (size_t told = 0; told < kTracedRanges;) {
    TraceEvent ranges{.type = TraceType::kAckRanges};
    while (ranges.length < 2 && reader.next(range)) {
      ranges.values[2 * ranges.length] = range.smallest;
      ranges.values[2 * ranges.length + 1] = range.largest;
      ++ranges.length;
    }
    if (ranges.length == 0) return;
    trace(ranges, now);
    told += 2;
  }
}

void Connection::trace_received(const OpenedPacket& packet, Instant now) {
  trace({.type = TraceType::kReceived,
         .detail = static_cast<uint8_t>(packet.type),
         .length = static_cast<uint32_t>(packet.payload.size() + crypto::kTagSize),
         .values = {packet.number}},
        now);
}

void Connection::trace_metrics(Instant now) {
  const RttEstimator& rtt = recovery_.rtt();
  trace({.type = TraceType::kMetrics,
         .values = {recovery_.controller().window(), recovery_.bytes_in_flight(), static_cast<uint64_t>(rtt.min().ns()),
                    static_cast<uint64_t>(rtt.smoothed().ns()), static_cast<uint64_t>(rtt.latest().ns())}},
        now);
}

void Connection::trace_lost(PacketSpace space, uint64_t number) {
  trace({.type = TraceType::kLost, .detail = static_cast<uint8_t>(packet_type_of(space)), .values = {number}},
        trace_time_);
}

}  // namespace viaduct::quic
