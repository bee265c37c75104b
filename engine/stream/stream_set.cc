// Frames from the peer, and the life of streams. What the application asks is in stream_commands.cc, what goes out
// in stream_sending.cc.
#include "engine/stream/stream_set.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

TransportError stream_error(ErrorCode code, FrameType frame, std::string_view reason) {
  return {code, static_cast<uint64_t>(frame), reason};
}

}  // namespace

StreamSet::StreamSet(StreamResources& resources, Role role, const StreamLimits& limits)
    : resources_(resources),
      number_(resources.table.next_connection()),
      role_(role),
      limits_(limits),
      receive_window_(limits.connection_window, limits.max_connection_window) {
  peer_[0].limit = peer_[0].window = limits.max_streams_bidi;
  peer_[1].limit = peer_[1].window = limits.max_streams_uni;
}

StreamSet::~StreamSet() {
  close();
  while (Write* write = released_.front()) {
    if (drop_quiet_writes() == 0) forget(*write);
  }
}

void StreamSet::close() {
  while (Stream* stream = all_.front()) {
    stream->send.clear(resources_.ranges, released_);
    stream->receive.clear(resources_.received);
    resources_.table.close(*stream);
  }
  open_ = 0;
  waiting_ = 0;
  due_ = 0;
  own_[0].limit_event = own_[1].limit_event = false;
}

void StreamSet::set_peer_limits(const TransportParameters& peer) {
  own_bidi_limit_ = peer.initial_max_stream_data_bidi_remote;
  peer_bidi_limit_ = peer.initial_max_stream_data_bidi_local;
  own_uni_limit_ = peer.initial_max_stream_data_uni;
  peer_takes_reset_at_ = peer.reset_stream_at;
  for (Stream* stream = all_.front(); stream; stream = all_.next(*stream)) {
    stream->send.window().raise(send_limit_for(stream->id));
  }
  on_max_data({.limit = peer.initial_max_data});
  on_max_streams({.unidirectional = false, .limit = peer.initial_max_streams_bidi});
  on_max_streams({.unidirectional = true, .limit = peer.initial_max_streams_uni});
}

uint64_t StreamSet::send_limit_for(uint64_t id) const {
  if (is_unidirectional(id)) return own_uni_limit_;
  return initiator_of(id) == role_ ? own_bidi_limit_ : peer_bidi_limit_;
}

// --- life ---

Stream* StreamSet::make_stream(uint64_t id) {
  const bool is_ours = initiator_of(id) == role_;
  if (is_ours && resources_.table.available_to_us() == 0) return nullptr;
  Stream* stream =
      resources_.table.open(number_, id, send_limit_for(id), limits_.stream_window, limits_.max_stream_window);
  if (!stream) return nullptr;
  stream->sends = can_send(id, role_);
  stream->receives = can_receive(id, role_);
  all_.push_back(*stream);
  ++open_;
  return stream;
}

// Opening a stream opens all lower ones of its kind (RFC 9000 section 3.2); the last is `stream`.
// meets RFC 9000 3.2-1 4.6-3 19.11-4
FrameOutcome StreamSet::open_for_peer(uint64_t id, FrameType frame, Stream*& stream) {
  PeerKind& kind = peer_[is_unidirectional(id)];
  if (stream_index(id) >= kind.limit) return stream_error(ErrorCode::kStreamLimitError, frame, "too many streams");
  while (kind.opened <= stream_index(id)) {
    stream = make_stream(make_stream_id(peer_of(role_), is_unidirectional(id), kind.opened));
    if (!stream) return FrameOutcome::lacks_room();
    ++kind.opened;
  }
  check_stream_limit(is_unidirectional(id));
  return {};
}

// The stream of a frame that concerns our sending or receiving part of it; null for one that is closed.
// meets RFC 9000 19.4-1 19.5-1 19.5-2 19.8-1 19.10-1 19.10-2 19.13-2
FrameOutcome StreamSet::find(uint64_t id, Part part, FrameType frame, Stream*& stream) {
  stream = nullptr;
  if (!(part == Part::kSend ? can_send(id, role_) : can_receive(id, role_))) {
    return stream_error(ErrorCode::kStreamStateError, frame, "wrong direction for the stream");
  }
  if (initiator_of(id) == role_) {
    const OwnKind& kind = own_[is_unidirectional(id)];
    if (stream_index(id) >= std::min(kind.opened, kind.limit)) {
      return stream_error(ErrorCode::kStreamStateError, frame, "stream of ours that is not open yet");
    }
  } else if (stream_index(id) >= peer_[is_unidirectional(id)].opened) {
    return open_for_peer(id, frame, stream);
  }
  stream = resources_.table.find(number_, id);
  return {};
}

// meets RFC 9000 3.3-1 4.4-1
void StreamSet::finish_if_done(Stream& stream) {
  if (stream.sends && !stream.send.is_finished()) return;
  if (stream.receives && !stream.receive.is_finished()) return;
  if (stream.has_peer_stop_event) return;
  const uint64_t id = stream.id;
  stream.send.clear(resources_.ranges, released_);
  stream.receive.clear(resources_.received);
  resources_.table.close(stream);
  --open_;
  if (initiator_of(id) == role_) return;
  ++peer_[is_unidirectional(id)].closed;
  check_stream_limit(is_unidirectional(id));
}

// A higher limit is told when it is a step worth a frame, and well before the peer has to stop.
// meets RFC 9000 4.6-6
void StreamSet::check_stream_limit(bool unidirectional) {
  const PeerKind& kind = peer_[unidirectional];
  const uint64_t step = next_stream_limit(kind) - kind.limit;
  const uint64_t left = kind.limit - kind.opened;
  if (step == 0 || left > kind.window / 2 || (left > 0 && step < kind.window / 8)) return;
  due_ |= unidirectional ? kMaxStreamsUni : kMaxStreamsBidi;
}

uint64_t StreamSet::next_stream_limit(const PeerKind& kind) const {
  return std::max(kind.limit, std::min(kind.closed + kind.window, kMaxStreamCount));
}

void StreamSet::check_receive_window() {
  if (receive_window_.wants_update()) due_ |= kMaxData;
}

// --- frames ---

FrameOutcome StreamSet::on_stream(const StreamFrame& frame) {
  Stream* stream;
  if (auto outcome = find(frame.stream, Part::kReceive, FrameType::kStream, stream); !outcome.is_ok()) return outcome;
  if (!stream) return {};
  auto outcome = stream->receive.on_stream(frame, receive_window_, resources_.received);
  if (!outcome.is_ok()) return outcome;
  update_events(*stream);
  if (stream->receive.is_stopped()) {
    check_receive_window();
    finish_if_done(*stream);
  }
  return {};
}

FrameOutcome StreamSet::on_reset_stream(const ResetStreamFrame& frame) {
  Stream* stream;
  auto outcome = find(frame.stream, Part::kReceive, FrameType::kResetStream, stream);
  if (!outcome.is_ok() || !stream) return outcome;
  outcome = stream->receive.on_reset(frame, receive_window_, resources_.received);
  if (!outcome.is_ok()) return outcome;
  check_receive_window();
  update_events(*stream);
  finish_if_done(*stream);
  return {};
}

// RFC 9000 section 3.5: answered by RESET_STREAM.
// meets RFC 9000 3.5-2 3.5-4
FrameOutcome StreamSet::on_stop_sending(const StopSendingFrame& frame) {
  Stream* stream;
  auto outcome = find(frame.stream, Part::kSend, FrameType::kStopSending, stream);
  if (!outcome.is_ok() || !stream) return outcome;
  if (!stream->send.reset(frame.error, 0, resources_.ranges, released_)) return {};
  stream->has_peer_stop_event = true;
  stream->peer_stop_error = frame.error;
  update_events(*stream);
  set_due(*stream, Stream::kResetStream);
  schedule_data(*stream);
  return {};
}

FrameOutcome StreamSet::on_max_stream_data(const MaxStreamDataFrame& frame) {
  Stream* stream;
  auto outcome = find(frame.stream, Part::kSend, FrameType::kMaxStreamData, stream);
  if (!outcome.is_ok() || !stream) return outcome;
  if (stream->send.window().raise(frame.limit)) schedule_data(*stream);
  return {};
}

FrameOutcome StreamSet::on_stream_data_blocked(const StreamDataBlockedFrame& frame) {
  Stream* stream;
  return find(frame.stream, Part::kReceive, FrameType::kStreamDataBlocked, stream);
}

void StreamSet::on_max_data(const MaxDataFrame& frame) {
  if (!send_window_.raise(frame.limit)) return;
  due_ &= static_cast<uint8_t>(~kDataBlocked);
  for (Stream* stream = blocked_.front(); stream; stream = blocked_.next(*stream)) stream->is_credit_blocked = false;
  ready_.splice_back(blocked_);
}

// meets RFC 9000 4.6-4 19.11-2
void StreamSet::on_max_streams(const MaxStreamsFrame& frame) {
  OwnKind& kind = own_[frame.unidirectional];
  if (frame.limit <= kind.limit) return;
  kind.limit = frame.limit;
  kind.limit_event = true;
  due_ &= static_cast<uint8_t>(~(frame.unidirectional ? kStreamsBlockedUni : kStreamsBlockedBidi));
  while (Stream* stream = kind.waiting.front()) {
    if (stream_index(stream->id) >= kind.limit) return note_streams_blocked(frame.unidirectional);
    kind.waiting.remove(*stream);
    stream->is_waiting = false;
    --waiting_;
    if (stream->due != 0) to_control_.push_back(*stream);
    schedule_data(*stream);
    note_blocked(*stream);
  }
}

// --- lists ---

// Puts the stream where it belongs among those that send; one that has its turn coming keeps it.
void StreamSet::schedule_data(Stream& stream) {
  if (stream.is_waiting) return;
  using Node = ListNode<StreamsToSend>;
  const bool can_send_now = stream.send.has_next(send_window_.available());
  const bool is_ready = stream.Node::is_linked() && !stream.is_credit_blocked;
  if (can_send_now && is_ready) return;
  stream.Node::unlink();
  stream.is_credit_blocked = false;
  if (can_send_now) {
    ready_.push_back(stream);
  } else if (stream.send.has_next(kMaxVarint)) {
    stream.is_credit_blocked = true;
    blocked_.push_back(stream);
  }
}

void StreamSet::set_due(Stream& stream, uint8_t due) {
  stream.due |= due;
  if (!stream.is_waiting && !stream.ListNode<StreamsToControl>::is_linked()) to_control_.push_back(stream);
}

// Lists the stream while there is something to tell of it.
void StreamSet::update_events(Stream& stream) {
  using Node = ListNode<StreamsToTell>;
  const bool has_event = stream.has_peer_stop_event ||
                         (stream.receives && (stream.receive.has_reset_event() || stream.receive.has_data_event()));
  if (has_event && !stream.Node::is_linked()) to_tell_.push_back(stream);
  if (!has_event) stream.Node::unlink();
}

}  // namespace viaduct::quic
