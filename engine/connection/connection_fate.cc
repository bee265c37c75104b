// What the fate of sent packets means for what they carried (RFC 9000 section 13.3).
#include "engine/connection/connection.h"
#include "engine/endpoint/shard.h"

namespace viaduct::quic {

void Connection::packet_acked(PacketSpace space, uint64_t, const SentPacket& packet,
                              std::span<const SentFrame> frames) {
  shard_.stats.packets_acknowledged.add();
  if (!packet.mtu_probe) mtu_.on_acked(packet.size, packet.sent_time);
  for (const SentFrame& frame : frames) {
    switch (frame.type) {
      case SentFrameType::kAck:
        // meets RFC 9000 13.2.3-2
        received_[index_of(space)].forget_up_to(frame.offset);
        break;
      case SentFrameType::kCrypto:
        if (handshake_) handshake_->stream(space).on_acked(frame.offset, frame.length);
        break;
      case SentFrameType::kRetireConnectionId:
        remote_ids_.on_retirement_acknowledged(frame.offset);
        break;
      case SentFrameType::kMtuProbe:
        on_mtu_probe_acked(frame.length);
        break;
      case SentFrameType::kStream:
        note_stream_acked(frame);
        break;
      default:
        streams_.on_acked(frame);
        break;
    }
  }
  if (handshake_ && handshake_confirmed_) drop_handshake_state();
}

// Packets in a row mostly carry bytes in a row, which the stream then hears of at once.
void Connection::note_stream_acked(const SentFrame& frame) {
  constexpr uint32_t kLongest = 1 << 30;
  SentFrame& run = acked_run_;
  const bool goes_on = run.type == SentFrameType::kStream && run.id == frame.id && !run.fin &&
                       run.offset + run.length == frame.offset && run.length < kLongest;
  if (!goes_on) {
    streams_.expect_acked(frame.id);
    tell_stream_acked();
    run = frame;
    return;
  }
  run.length += frame.length;
  run.fin = frame.fin;
}

// At the end of a run, and before anything else is told of the packets' fate.
void Connection::tell_stream_acked() {
  if (acked_run_.type != SentFrameType::kStream) return;
  streams_.on_acked(acked_run_);
  acked_run_ = {};
}

void Connection::packet_lost(PacketSpace space, uint64_t number, const SentPacket& packet,
                             std::span<const SentFrame> frames) {
  tell_stream_acked();
  shard_.stats.packets_lost.add();
  if (trace_) trace_lost(space, number);
  on_frames_lost(space, frames);
  if (!packet.mtu_probe) {
    if (space == PacketSpace::kApplication && mtu_.on_lost(packet.size, packet.sent_time)) on_mtu_fell();
    return;
  }
  for (const SentFrame& frame : frames) {
    if (frame.type == SentFrameType::kMtuProbe) mtu_.on_probe_lost(frame.length);
  }
}

void Connection::packet_probed(PacketSpace space, uint64_t, const SentPacket&, std::span<const SentFrame> frames) {
  on_frames_lost(space, frames);
}

// PATH_CHALLENGE and PATH_RESPONSE are not sent again; ACK has newer content next time.
void Connection::on_frames_lost(PacketSpace space, std::span<const SentFrame> frames) {
  for (const SentFrame& frame : frames) {
    switch (frame.type) {
      case SentFrameType::kCrypto:
        if (handshake_) handshake_->stream(space).on_lost(frame.offset, frame.length);
        break;
      case SentFrameType::kHandshakeDone:
        // meets RFC 9000 13.3-3
        handshake_done_due_ = true;
        break;
      case SentFrameType::kNewToken:
        token_due_ = true;
        break;
      case SentFrameType::kNewConnectionId:
        local_ids_.on_announcement_lost(frame.offset);
        break;
      case SentFrameType::kRetireConnectionId:
        remote_ids_.on_retirement_lost(frame.offset);
        break;
      case SentFrameType::kAckFrequency:
        ack_request_.on_lost(frame.offset);
        break;
      default:
        streams_.on_lost(frame);
        break;
    }
  }
}

}  // namespace viaduct::quic
