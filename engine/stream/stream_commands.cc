// What the application asks of streams, and what it is told.
#include "engine/stream/stream_set.h"

namespace viaduct::quic {

// meets RFC 9000 2.1-1 4.6-2 19.11-3
Stream* StreamSet::open_own(uint64_t id) {
  OwnKind& kind = own_[is_unidirectional(id)];
  const bool waits = stream_index(id) >= kind.limit;
  if (waits && waiting_ >= limits_.max_waiting_streams) return nullptr;
  Stream* stream = make_stream(id);
  if (!stream) return nullptr;
  ++kind.opened;
  if (!waits) return stream;
  stream->is_waiting = true;
  ++waiting_;
  kind.waiting.push_back(*stream);
  note_streams_blocked(is_unidirectional(id));
  return stream;
}

StreamSet::WriteResult StreamSet::write(const Command& command) {
  const uint64_t id = command.stream;
  Write* write = resources_.writes.get(resources_.writes.acquire());
  if (!write) return WriteResult::kNoWrites;
  write->chunk = command.chunk;
  write->offset = command.offset;
  write->length = command.length;
  write->stream = id;
  write->quiet = command.quiet;

  Stream* stream = resources_.table.find(number_, id);
  const bool opens = initiator_of(id) == role_ && stream_index(id) == own_[is_unidirectional(id)].opened;
  if (opens && !(stream = open_own(id))) {
    forget(*write);
    return WriteResult::kNoStreams;
  }
  if (!stream || !stream->sends || !stream->send.is_writable()) {
    released_.push_back(*write);
    return WriteResult::kDone;
  }
  stream->send.append(*write, command.fin, released_);
  schedule_data(*stream);
  note_blocked(*stream);
  return WriteResult::kDone;
}

// meets RFC 9000 11.2-1
void StreamSet::reset(uint64_t id, uint64_t error, uint64_t reliable) {
  Stream* stream = resources_.table.find(number_, id);
  if (!stream || !stream->sends) return;
  if (!peer_takes_reset_at_) reliable = 0;
  if (!stream->send.reset(error, reliable, resources_.ranges, released_)) return;
  set_due(*stream, Stream::kResetStream);
  schedule_data(*stream);
}

// meets RFC 9000 3.5-1
void StreamSet::stop_sending(uint64_t id, uint64_t error) {
  Stream* stream = resources_.table.find(number_, id);
  if (!stream || !stream->receives) return;
  if (stream->receive.stop(receive_window_, resources_.received)) {
    stream->own_stop_error = error;
    set_due(*stream, Stream::kStopSending);
  }
  check_receive_window();
  update_events(*stream);
  finish_if_done(*stream);
}

void StreamSet::on_consumed(const Consumed& consumed) {
  receive_window_.consume(consumed.length);
  check_receive_window();
  if (consumed.stream == Consumed::kWhole) return;
  Stream* stream = resources_.table.find(number_, consumed.stream);
  if (!stream) return;
  stream->receive.on_consumed(consumed.length);
  if (stream->receive.wants_update()) set_due(*stream, Stream::kMaxStreamData);
}

// --- events ---

bool StreamSet::has_events() const {
  return own_[0].limit_event || own_[1].limit_event || !to_tell_.empty() || !released_.empty();
}

bool StreamSet::next_event(Event& event) {
  event = {};
  if (next_limit_event(event)) return true;
  if (Stream* stream = to_tell_.front()) {
    next_stream_event(*stream, event);
    return true;
  }
  return next_released_event(event);
}

bool StreamSet::next_limit_event(Event& event) {
  for (const bool unidirectional : {false, true}) {
    OwnKind& kind = own_[unidirectional];
    if (!kind.limit_event) continue;
    kind.limit_event = false;
    event.type = EventType::kStreamLimit;
    event.stream = make_stream_id(role_, unidirectional, 0);
    event.value = kind.limit;
    return true;
  }
  return false;
}

// One event of a stream that has some.
void StreamSet::next_stream_event(Stream& stream, Event& event) {
  event.stream = stream.id;
  if (stream.has_peer_stop_event) {
    stream.has_peer_stop_event = false;
    event.type = EventType::kStopSending;
    event.error = stream.peer_stop_error;
  } else if (stream.receives && stream.receive.has_reset_event()) {
    event.type = EventType::kReset;
    event.error = stream.receive.take_reset_event();
  } else {
    event.type = EventType::kData;
    const LentBytes lent = stream.receive.read(resources_.received, event.fin);
    stream.receive.settle_reset(receive_window_, resources_.received);
    check_receive_window();
    event.data = lent.bytes.data();
    event.length = static_cast<uint32_t>(lent.bytes.size());
    event.token = lent.token;
  }
  update_events(stream);
  finish_if_done(stream);
}

// Quiet writes in a row are told at once.
bool StreamSet::next_released_event(Event& event) {
  if (const uint64_t quiet = drop_quiet_writes(); quiet > 0) {
    event.type = EventType::kDelivered;
    event.value = quiet;
    return true;
  }
  while (Write* write = released_.front()) {
    if (write->quiet) return next_released_event(event);
    event.type = EventType::kReleased;
    event.stream = write->stream;
    event.chunk = write->chunk;
    event.length = write->length;
    forget(*write);
    if (event.chunk) return true;
  }
  return false;
}

// Those at the front of what is released; how many.
uint64_t StreamSet::drop_quiet_writes() {
  uint64_t count = 0;
  for (Write* write = released_.front(); write && write->quiet; write = released_.front(), ++count) {
    if (write->chunk) write->chunk->drop();
    forget(*write);
  }
  return count;
}

void StreamSet::forget(Write& write) { resources_.writes.release(resources_.writes.handle_of(write)); }

}  // namespace viaduct::quic
