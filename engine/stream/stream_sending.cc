// What streams put into packets, and what becomes of it.
#include <algorithm>
#include <bit>

#include "base/cache_line.h"
#include "engine/stream/stream_set.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

// A packet's last few bytes are not worth a STREAM frame.
constexpr size_t kMinRoom = 32;

constexpr uint8_t lowest_bit(uint8_t bits) { return static_cast<uint8_t>(bits & -bits); }

}  // namespace

// --- data ---

bool StreamSet::next_data(size_t room, StreamData& data) {
  if (room < kMinRoom) return false;
  while (Stream* stream = ready_.front()) {
    const uint64_t before = send_window_.available();
    const size_t data_room = stream_data_room(room, stream->id, stream->send.next_offset());
    uint64_t credit = before;
    // Where many streams have a little each to send, the next one is in no near cache.
    if (const Stream* next = ready_.next(*stream)) prefetch_object<Access::kWrite>(*next);
    data = {.stream = stream->id, .span = stream->send.next(data_room, credit, resources_.ranges)};
    send_window_.use(before - credit);

    // The next packet is another stream's.
    const bool is_full = data.span.length == data_room;
    if (is_full || !stream->send.has_next(credit)) ready_.remove(*stream);
    schedule_data(*stream);
    note_blocked(*stream);
    if (data.span.length > 0 || data.span.fin) return true;
  }
  return false;
}

// A *_BLOCKED frame tells the peer, once for each limit, that it holds bytes up (RFC 9000 section 4.1).
// meets RFC 9000 4.1-4 19.12-1 19.13-1
void StreamSet::note_blocked(Stream& stream) {
  if (stream.is_waiting || !stream.send.has_unsent()) return;
  const bool by_stream = stream.send.window().take_blocked();
  const bool by_connection = send_window_.take_blocked();
  if (by_stream) set_due(stream, Stream::kStreamDataBlocked);
  if (by_connection) due_ |= kDataBlocked;
  was_blocked_ |= by_stream || by_connection;
}

// The same for streams that wait to be opened (RFC 9000 section 4.6).
// meets RFC 9000 4.6-5 19.14-1
void StreamSet::note_streams_blocked(bool unidirectional) {
  OwnKind& kind = own_[unidirectional];
  if (kind.blocked_told == kind.limit + 1) return;
  kind.blocked_told = kind.limit + 1;
  due_ |= unidirectional ? kStreamsBlockedUni : kStreamsBlockedBidi;
  was_blocked_ = true;
}

// One is enough to be heard.
bool StreamSet::repeat_blocked() {
  if (!blocked_.empty()) return due_ |= kDataBlocked, true;
  for (const bool unidirectional : {false, true}) {
    if (own_[unidirectional].waiting.empty()) continue;
    return due_ |= unidirectional ? kStreamsBlockedUni : kStreamsBlockedBidi, true;
  }
  for (Stream* stream = all_.front(); stream; stream = all_.next(*stream)) {
    if (!is_wanted(*stream, Stream::kStreamDataBlocked)) continue;
    return set_due(*stream, Stream::kStreamDataBlocked), true;
  }
  return was_blocked_ = false;
}

// --- control frames ---

bool StreamSet::write_control(ByteWriter& writer, SentFrame& record, Instant now, Duration rtt) {
  if (due_ != 0) {
    const uint8_t due = lowest_bit(due_);
    if (!write_due(due, writer, record, now, rtt)) return false;
    due_ &= static_cast<uint8_t>(~due);
    return true;
  }
  while (Stream* stream = to_control_.front()) {
    const uint8_t due = lowest_bit(stream->due);
    const bool wanted = is_wanted(*stream, due);
    if (wanted && !write_stream_due(*stream, due, writer, record, now, rtt)) return false;
    stream->due &= static_cast<uint8_t>(~due);
    if (stream->due == 0) to_control_.remove(*stream);
    if (wanted) return true;
  }
  return false;
}

bool StreamSet::write_due(uint8_t due, ByteWriter& writer, SentFrame& record, Instant now, Duration rtt) {
  // The largest of these frames; so that a limit is raised only when it is told.
  if (writer.remaining() < 9) return false;
  record = {};
  switch (due) {
    case kMaxData:
      record.type = SentFrameType::kMaxData;
      record.offset = receive_window_.wants_update() ? receive_window_.update(now, rtt) : receive_window_.limit();
      return write_max_data(writer, record.offset);
    case kMaxStreamsBidi:
    case kMaxStreamsUni: {
      PeerKind& kind = peer_[due == kMaxStreamsUni];
      kind.limit = next_stream_limit(kind);
      record.type = due == kMaxStreamsUni ? SentFrameType::kMaxStreamsUni : SentFrameType::kMaxStreamsBidi;
      record.offset = kind.limit;
      return write_max_streams(writer, due == kMaxStreamsUni, kind.limit);
    }
    case kDataBlocked:
      record.type = SentFrameType::kDataBlocked;
      record.offset = send_window_.limit();
      return write_data_blocked(writer, record.offset);
    default: {
      const bool unidirectional = due == kStreamsBlockedUni;
      record.type = unidirectional ? SentFrameType::kStreamsBlockedUni : SentFrameType::kStreamsBlockedBidi;
      record.offset = own_[unidirectional].limit;
      return write_streams_blocked(writer, unidirectional, record.offset);
    }
  }
}

// Whether a frame that was due still means something.
// meets RFC 9000 13.3-2
bool StreamSet::is_wanted(const Stream& stream, uint8_t due) const {
  switch (due) {
    case Stream::kStopSending:
      return stream.receive.is_stopped() && !stream.receive.has_final_size();
    case Stream::kMaxStreamData:
      return stream.receive.is_receiving();
    case Stream::kStreamDataBlocked:
      return stream.send.has_unsent() && stream.send.window().available() == 0;
    default:
      return true;
  }
}

bool StreamSet::write_stream_due(Stream& stream, uint8_t due, ByteWriter& writer, SentFrame& record, Instant now,
                                 Duration rtt) {
  // The largest of these frames; with a reliable size, RESET_STREAM is one integer longer.
  const bool is_reset_at = due == Stream::kResetStream && stream.send.reliable_size() > 0;
  if (writer.remaining() < (is_reset_at ? 33u : 25u)) return false;
  record = {.id = stream.id};
  switch (due) {
    case Stream::kResetStream:
      record.type = SentFrameType::kResetStream;
      if (const uint64_t reliable = stream.send.reliable_size()) {
        return write_reset_stream_at(writer, stream.id, stream.send.error(), stream.send.final_size(), reliable);
      }
      return write_reset_stream(writer, stream.id, stream.send.error(), stream.send.final_size());
    case Stream::kStopSending:
      record.type = SentFrameType::kStopSending;
      return write_stop_sending(writer, stream.id, stream.own_stop_error);
    case Stream::kMaxStreamData: {
      ReceiveWindow& window = stream.receive.window();
      record.type = SentFrameType::kMaxStreamData;
      record.offset = window.wants_update() ? window.update(now, rtt) : window.limit();
      return write_max_stream_data(writer, stream.id, record.offset);
    }
    default:
      record.type = SentFrameType::kStreamDataBlocked;
      record.offset = stream.send.window().limit();
      return write_stream_data_blocked(writer, stream.id, record.offset);
  }
}

// --- fate ---

void StreamSet::on_acked(const SentFrame& frame) {
  if (frame.type != SentFrameType::kStream && frame.type != SentFrameType::kResetStream) return;
  Stream* stream = resources_.table.find(number_, frame.id);
  if (!stream) return;
  if (frame.type == SentFrameType::kStream) {
    stream->send.on_acked(frame.offset, frame.length, frame.fin, resources_.ranges, released_);
  } else {
    stream->send.on_reset_acked();
  }
  finish_if_done(*stream);
}

void StreamSet::on_lost(const SentFrame& frame) {
  switch (frame.type) {
    case SentFrameType::kMaxData:
      if (frame.offset == receive_window_.limit()) due_ |= kMaxData;
      return;
    case SentFrameType::kMaxStreamsBidi:
      if (frame.offset == peer_[0].limit) due_ |= kMaxStreamsBidi;
      return;
    case SentFrameType::kMaxStreamsUni:
      if (frame.offset == peer_[1].limit) due_ |= kMaxStreamsUni;
      return;
    case SentFrameType::kDataBlocked:
      if (frame.offset == send_window_.limit() && !blocked_.empty()) due_ |= kDataBlocked;
      return;
    case SentFrameType::kStreamsBlockedBidi:
      if (frame.offset == own_[0].limit && !own_[0].waiting.empty()) due_ |= kStreamsBlockedBidi;
      return;
    case SentFrameType::kStreamsBlockedUni:
      if (frame.offset == own_[1].limit && !own_[1].waiting.empty()) due_ |= kStreamsBlockedUni;
      return;
    default:
      if (Stream* stream = resources_.table.find(number_, frame.id)) on_stream_frame_lost(*stream, frame);
  }
}

void StreamSet::on_stream_frame_lost(Stream& stream, const SentFrame& frame) {
  switch (frame.type) {
    case SentFrameType::kStream:
      stream.send.on_lost(frame.offset, frame.length, frame.fin, resources_.ranges);
      schedule_data(stream);
      return;
    case SentFrameType::kResetStream:
      if (!stream.send.is_finished()) set_due(stream, Stream::kResetStream);
      return;
    case SentFrameType::kStopSending:
      set_due(stream, Stream::kStopSending);
      return;
    case SentFrameType::kMaxStreamData:
      if (frame.offset == stream.receive.window().limit()) set_due(stream, Stream::kMaxStreamData);
      return;
    case SentFrameType::kStreamDataBlocked:
      if (frame.offset == stream.send.window().limit()) set_due(stream, Stream::kStreamDataBlocked);
      return;
    default:
      return;
  }
}

}  // namespace viaduct::quic
