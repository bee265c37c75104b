// DATAGRAM frames in both directions (RFC 9221).
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {

// meets RFC 9221 3-3 3-4 5-1 5-2 5-3
FrameOutcome Connection::apply_datagram(const DatagramFrame& frame, const OpenedPacket& packet) {
  // RFC 9221 section 3.
  if (frame.frame_size > shard_.config.max_datagram_frame_size) {
    return TransportError{ErrorCode::kProtocolViolation, static_cast<uint64_t>(FrameType::kDatagram),
                          "DATAGRAM was not offered, or not so large"};
  }
  if (datagrams_.held >= shard_.config.max_datagrams_of_connection) {
    shard_.stats.datagram_frames_dropped.add();
    return {};
  }
  ReceivedDatagram* datagram = shard_.datagrams_in.get(shard_.datagrams_in.acquire());
  if (!datagram || !shard_.hold(*packet.datagram)) {
    if (datagram) shard_.datagrams_in.release(shard_.datagrams_in.handle_of(*datagram));
    shard_.stats.datagram_frames_dropped.add();
    return {};
  }
  shard_.stats.datagram_frames_received.add();
  datagram->packet = packet.datagram;
  datagram->connection = handle_;
  datagram->data = frame.data.data();
  datagram->length = static_cast<uint32_t>(frame.data.size());
  datagrams_.arrived.push_back(*datagram);
  ++datagrams_.held;
  want_tell();
  return {};
}

bool Connection::next_datagram_event(Event& event) {
  if (ReceivedDatagram* datagram = datagrams_.arrived.pop_front()) {
    const Handle handle = shard_.datagrams_in.handle_of(*datagram);
    event.type = EventType::kDatagram;
    event.data = datagram->data;
    event.length = datagram->length;
    event.token = ReceiveStore::kPacketToken | uint64_t{handle.generation} << 32 | handle.index;
    return true;
  }
  if (OutgoingDatagram* datagram = datagrams_.released.pop_front()) {
    event.type = EventType::kReleased;
    event.stream = datagram->stream;
    event.chunk = datagram->chunk;
    event.length = datagram->length;
    shard_.datagrams_out.release(shard_.datagrams_out.handle_of(*datagram));
    return true;
  }
  return false;
}

// False where the command must be repeated, for want of room to hand its chunk back.
// meets RFC 9221 3-1 3-2
bool Connection::send_datagram(const Command& command) {
  const bool fits = datagram_header_size(command.length) + command.length <= datagrams_.peer_limit;
  OutgoingDatagram* datagram = nullptr;
  if (fits && command.chunk) datagram = shard_.datagrams_out.get(shard_.datagrams_out.acquire());
  if (!datagram) {
    if (command.chunk && !shard_.return_chunk(command)) return false;
    shard_.stats.datagram_frames_dropped.add();
    return true;
  }
  datagram->chunk = command.chunk;
  datagram->offset = command.offset;
  datagram->length = command.length;
  datagram->stream = command.stream;
  if (datagrams_.waiting_count >= shard_.config.max_datagrams_of_connection) {
    shard_.stats.datagram_frames_dropped.add();
    release_datagram(*datagrams_.waiting.front());
  }
  datagrams_.waiting.push_back(*datagram);
  ++datagrams_.waiting_count;
  return true;
}

void Connection::release_datagram(OutgoingDatagram& datagram) {
  datagrams_.waiting.remove(datagram);
  --datagrams_.waiting_count;
  datagrams_.released.push_back(datagram);
  want_tell();
}

// Whole ones, in order. One that is too large even for a packet of its own is dropped: the path got narrower.
void Connection::write_datagrams(PacketPart& part) {
  ByteWriter& writer = part.payload.writer;
  while (OutgoingDatagram* datagram = part.is_full() ? nullptr : datagrams_.waiting.front()) {
    if (datagram->length > datagram_data_room(writer.remaining())) {
      if (part.frame_count > 0) return;
      shard_.stats.datagram_frames_dropped.add();
      release_datagram(*datagram);
      continue;
    }
    write_datagram_header(writer, datagram->length);
    writer.bytes({datagram->chunk->data() + datagram->offset, datagram->length});
    part.record_eliciting({.length = datagram->length, .type = SentFrameType::kDatagram});
    shard_.stats.datagram_frames_sent.add();
    release_datagram(*datagram);
  }
}

// The connection is closed: nothing more is sent, and what was not told is not told any more.
void Connection::forget_datagrams() {
  while (OutgoingDatagram* datagram = datagrams_.waiting.front()) release_datagram(*datagram);
  while (ReceivedDatagram* datagram = datagrams_.arrived.pop_front()) {
    shard_.drop(*datagram->packet);
    shard_.datagrams_in.release(shard_.datagrams_in.handle_of(*datagram));
    --datagrams_.held;
  }
}

}  // namespace viaduct::quic
