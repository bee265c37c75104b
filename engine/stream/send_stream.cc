#include "engine/stream/send_stream.h"

#include <algorithm>

namespace viaduct::quic {

void SendStream::append(Write& write, bool fin, WriteList& released) {
  write.stream_offset = progress_.end();
  writes_.push_back(write);
  if (!unsent_ && write.length > 0) unsent_ = &write;
  progress_.append(write.length);
  if (fin) fin_ = fin_pending_ = true;
  release_acked(released);  // an empty one may have nothing to wait for
}

// meets RFC 9000 3.5-3 13.3-1
bool SendStream::reset(uint64_t error, uint64_t reliable, RangePool& ranges, WriteList& released) {
  if (state_ == State::kReset || is_finished()) return false;
  // The error of a stream does not change (draft-ietf-quic-reliable-stream-reset section 5).
  if (reset_at_ == 0) error_ = error;
  reliable = std::min(reliable, progress_.end());
  if (reliable > 0 && (reset_at_ == 0 || reliable < reset_at_)) {
    reset_at(reliable, ranges, released);
    return true;
  }
  if (reliable > 0) return false;
  final_size_ = final_size();
  state_ = State::kReset;
  reset_acked_ = false;
  clear(ranges, released);
  return true;
}

// What lies behind the reliable part goes; the rest is sent until it is acknowledged.
void SendStream::reset_at(uint64_t reliable, RangePool& ranges, WriteList& released) {
  if (!final_size_) final_size_ = std::max(progress_.sent(), reliable);
  reset_at_ = reliable;
  fin_ = fin_pending_ = reset_acked_ = false;
  progress_.cut(ranges, reliable);
  resend_ = nullptr;
  if (!progress_.has_unsent()) unsent_ = nullptr;
  while (Write* last = writes_.back()) {
    if (last->stream_offset < reliable) break;
    release(*last, released);
  }
  release_acked(released);
}

void SendStream::clear(RangePool& ranges, WriteList& released) {
  released.splice_back(writes_);
  unsent_ = resend_ = nullptr;
  progress_.clear(ranges);
}

void SendStream::restart(RangePool& ranges) {
  progress_.restart(ranges);
  window_ = SendWindow();
  resend_ = nullptr;
  unsent_ = writes_.front();
  if (unsent_ && unsent_->length == 0) unsent_ = write_behind(*unsent_);
  fin_pending_ = fin_;
}

// meets RFC 9000 3.3-2
bool SendStream::has_next(uint64_t credit) const {
  if (state_ != State::kOpen) return false;
  if (progress_.has_lost()) return true;
  if (progress_.has_unsent()) return std::min(credit, window_.available()) > 0;
  return fin_pending_;
}

// meets RFC 9000 2.2-2 2.2-3 4.1-1 4.5-2 13.3-4 19.10-3
SendSpan SendStream::next(uint64_t room, uint64_t& credit, RangePool& ranges) {
  if (!has_next(credit)) return {};
  const bool is_new = !progress_.has_lost();
  const OffsetRange range = progress_.next(progress_.sent() + std::min(credit, window_.available()));
  SendSpan span{.offset = range.begin};
  if (!range.empty()) {
    if (room == 0) return {};
    const Write& write = is_new ? *unsent_ : *write_at(range.begin);
    const uint64_t skip = range.begin - write.stream_offset;
    span.data = write.chunk->data() + write.offset + skip;
    span.length = static_cast<uint32_t>(std::min({room, range.size(), write.length - skip}));
    const OffsetRange taken{range.begin, range.begin + span.length};
    progress_.on_sent(ranges, taken);
    if (is_new) {
      credit -= span.length;
      window_.use(span.length);
      if (taken.end == write.stream_offset + write.length) unsent_ = write_behind(*unsent_);
    }
  }
  span.fin = fin_ && !fin_acked_ && span.offset + span.length == progress_.end();
  if (span.fin) fin_pending_ = false;
  return span;
}

// The next write with bytes.
Write* SendStream::write_behind(Write& write) {
  Write* next = writes_.next(write);
  while (next && next->length == 0) next = writes_.next(*next);
  return next;
}

// The write with the byte at `offset`, which is not released. Lost bytes are sent again in order, so that the search
// goes on where the last one ended.
Write* SendStream::write_at(uint64_t offset) {
  Write* write = resend_ && resend_->stream_offset <= offset ? resend_ : writes_.front();
  while (write->stream_offset + write->length <= offset) write = writes_.next(*write);
  return resend_ = write;
}

void SendStream::on_acked(uint64_t offset, uint32_t length, bool fin, RangePool& ranges, WriteList& released) {
  if (state_ != State::kOpen) return;
  if (fin) {
    fin_acked_ = true;
    fin_pending_ = false;
  }
  if (progress_.on_acked(ranges, {offset, offset + length})) release_acked(released);
}

void SendStream::on_lost(uint64_t offset, uint32_t length, bool fin, RangePool& ranges) {
  if (state_ != State::kOpen) return;
  if (reset_at_ > 0) length = static_cast<uint32_t>(std::clamp(reset_at_, offset, offset + length) - offset);
  progress_.on_lost(ranges, {offset, offset + length});
  if (fin && !fin_acked_) fin_pending_ = true;
}

void SendStream::release_acked(WriteList& released) {
  const uint64_t wanted = reset_at_ > 0 ? reset_at_ : kMaxVarint;
  for (Write* write = writes_.front();
       write && std::min(write->stream_offset + write->length, wanted) <= progress_.acked(); write = writes_.front()) {
    release(*write, released);
  }
}

void SendStream::release(Write& write, WriteList& released) {
  if (resend_ == &write) resend_ = nullptr;
  writes_.remove(write);
  released.push_back(write);
}

bool SendStream::is_finished() const {
  if (state_ == State::kReset) return reset_acked_;
  if (reset_at_ > 0) return reset_acked_ && progress_.acked() >= reset_at_;
  return fin_acked_ && progress_.acked() == progress_.end();
}

}  // namespace viaduct::quic
