// The end of a connection (RFC 9000 section 10).
#include <algorithm>
#include <bit>

#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {

// meets RFC 9000 10.2-1 10.2-2
Duration Connection::drain_time() const { return recovery_.probe_timeout(PacketSpace::kApplication) * 3; }

// meets RFC 9000 10.3-1 11-1 11-2 11.1-1
void Connection::close(const TransportError& error, Instant now) {
  begin_closing({error.wire_code(), false, error.frame_type, error.reason}, now);
}

void Connection::begin_closing(const CloseReason& reason, Instant now) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  if (trace_) trace({.type = TraceType::kClosed, .flag = reason.application, .values = {reason.error}}, now);
  close_due_ = true;
  close_deadline_ = now + drain_time();
  forget_streams(reason);
  want_send();
}

// meets RFC 9000 10.2.2-1 10.2.2-2
void Connection::begin_draining(const CloseReason& reason, Instant now) {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  if (state_ == State::kOpen) {
    if (trace_) trace({.type = TraceType::kClosed, .flag = reason.application, .values = {reason.error}}, now);
    close_deadline_ = now + drain_time();
    forget_streams(reason);
  }
  state_ = State::kDraining;
  // Its handshake is over. Who was not shown to be at its address keeps its place among those of its network.
  if (active_.validated) stop_being_half_open();
  close_due_ = false;
  want_send();
}

void Connection::finish_by(Instant limit, Instant now) {
  close_deadline_ = std::min(close_deadline_, limit);
  schedule(now);
}

void Connection::on_stateless_reset(Instant now) {
  begin_draining({static_cast<uint64_t>(ErrorCode::kNoError), false, 0, "stateless reset"}, now);
}

// The application hears of it at once; the packets that follow are the connection's own matter.
void Connection::forget_streams(const CloseReason& reason) {
  close_reason_ = reason;
  streams_.close();
  forget_datagrams();
  closed_event_ = role_ == Role::kClient || opened_event_ || was_opened_;
  want_tell();
}

// meets RFC 9000 10.2-3
void Connection::become_gone(Instant now) {
  state_ = State::kGone;
  if (trace_) trace({.type = TraceType::kGone}, now);
  shard_.wheel.cancel(*this);
  for (const LocalIds::Id& id : local_ids_) shard_.forget_id(id.id);
  if (role_ == Role::kServer) shard_.forget_id(initial_dcid_);
  if (!registered_token_.empty()) shard_.reset_tokens.erase(registered_token_);
  registered_token_ = {};
  ListNode<ConnectionsToSend>::unlink();
  ListNode<ConnectionsInTls>::unlink();
  release_deferred();
  want_tell();
}

// RFC 9000 section 10.2.1: fewer and fewer answers, but one in each probe timeout, as the answers may be lost.
// meets RFC 9000 10.2.1-1 11.1-2
void Connection::answer_while_closing(Instant now) {
  if (state_ != State::kClosing) return;
  const bool again = now - close_sent_ >= recovery_.probe_timeout(PacketSpace::kApplication);
  if (!std::has_single_bit(++received_while_closing_) && !again) return;
  close_due_ = true;
  want_send();
}

// CONNECTION_CLOSE at every level that the peer may be able to read (RFC 9000 section 10.2.3).
// meets RFC 9000 10.2.1-2 10.2.1-3 10.2.3-1 10.2.3-2 10.2.3-3 10.2.3-4 10.2.3-5 10.2.3-6 12.5-1
bool Connection::build_close(Packet& packet, SealBatch& batch, Instant now) {
  if (!close_due_) return false;
  close_due_ = false;
  close_sent_ = now;
  DatagramPlan plan{packet, batch, datagram_limit(packet, active_, mtu_.current())};
  auto& parts = shard_.parts;
  size_t count = 0;
  for (const PacketSpace space : kAllPacketSpaces) {
    PacketPart& part = parts[count];
    if (!can_write(space) || !begin_part(part, plan, space)) continue;
    ByteWriter& writer = part.payload.writer;
    if (!close_reason_.application) {
      write_connection_close(
          writer, {static_cast<ErrorCode>(close_reason_.error), close_reason_.frame_type, close_reason_.reason});
    } else if (space == PacketSpace::kApplication) {
      write_application_close(writer, close_reason_.error, {});
    } else {
      // The application's own code could reveal its state before the handshake is complete.
      write_connection_close(writer, {ErrorCode::kApplicationError, 0, {}});
    }
    end_part(part, plan);
    ++count;
  }
  if (count == 0) return false;
  finish_datagram(std::span(parts).first(count), plan, active_, now);
  return true;
}

}  // namespace viaduct::quic
