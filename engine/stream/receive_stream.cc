#include "engine/stream/receive_stream.h"

#include <algorithm>

namespace viaduct::quic {

// RFC 9000 sections 4.1 and 4.5: `end` is the offset behind a frame's last byte, or the final size.
// meets RFC 9000 4.1-2 4.5-3 4.5-4 19.9-2 19.10-4
TransportError ReceiveStream::check(uint64_t end, bool is_final, const ReceiveWindow& connection,
                                    uint64_t frame_type) const {
  const uint64_t highest = window_.received();
  if (has_final_size() && (is_final ? end != final_size_ : end > final_size_)) {
    return {ErrorCode::kFinalSizeError, frame_type, "final size changed or exceeded"};
  }
  if (is_final && end < highest) return {ErrorCode::kFinalSizeError, frame_type, "final size below received data"};
  if (end <= highest) return {};
  if (window_.exceeds(end - highest)) return {ErrorCode::kFlowControlError, frame_type, "beyond the stream's limit"};
  if (connection.exceeds(end - highest)) {
    return {ErrorCode::kFlowControlError, frame_type, "beyond the connection's limit"};
  }
  return {};
}

// Counts offsets up to `end`, once.
void ReceiveStream::charge(uint64_t end, ReceiveWindow& connection) {
  if (end <= window_.received()) return;
  connection.receive(end - window_.received());
  window_.receive(end - window_.received());
}

// Credits what the application never will: all that was received and not handed on.
void ReceiveStream::drop_unread(ReceiveWindow& connection, ReceiveStore& store) {
  bytes_.discard(store);
  connection.consume(window_.received() - dropped_to_);
  dropped_to_ = window_.received();
}

FrameOutcome ReceiveStream::on_stream(const StreamFrame& frame, ReceiveWindow& connection, ReceiveStore& store) {
  const uint64_t end = frame.offset + frame.data.size();
  if (auto error = check(end, frame.fin, connection, static_cast<uint64_t>(FrameType::kStream))) return error;
  if (state_ == State::kOpen && !take(frame, store)) return FrameOutcome::lacks_room();
  charge(end, connection);
  if (frame.fin) final_size_ = end;
  if (state_ != State::kOpen) drop_unread(connection, store);
  return {};
}

// False where there is no room. Most requests are one frame.
bool ReceiveStream::take(const StreamFrame& frame, ReceiveStore& store) {
  const bool is_first = window_.received() == 0 && !has_final_size();
  const bool is_whole = is_first && frame.fin && frame.offset == 0 && !frame.data.empty();
  if (is_whole && frame.data.size() <= ReceiveBlock::kSize) return bytes_.insert_whole(store, frame.data);
  return bytes_.insert(store, frame.offset, frame.data);
}

// meets RFC 9000 4.5-1 19.9-1
FrameOutcome ReceiveStream::on_reset(const ResetStreamFrame& frame, ReceiveWindow& connection, ReceiveStore& store) {
  const auto type = static_cast<uint64_t>(FrameType::kResetStream);
  if (auto error = check(frame.final_size, true, connection, type)) return error;
  // "Data Recvd" may ignore it (RFC 9000 section 3.2). Without the end of the stream, all bytes up to the final size
  // are not all that the peer had to say.
  const bool is_first = reset_at_ == kUnknown;
  if (state_ == State::kOpen && is_first && has_final_size() && bytes_.contiguous() == final_size_) return {};
  if (!is_first && frame.error != error_) return TransportError{ErrorCode::kStreamStateError, type, "error changed"};
  charge(frame.final_size, connection);
  final_size_ = frame.final_size;
  error_ = frame.error;
  reset_at_ = std::min(reset_at_, frame.reliable_size);
  if (state_ == State::kOpen) {
    settle_reset(connection, store);
  } else {
    drop_unread(connection, store);
  }
  return {};
}

void ReceiveStream::settle_reset(ReceiveWindow& connection, ReceiveStore& store) {
  if (state_ != State::kOpen || reset_at_ == kUnknown || bytes_.delivered() < reset_at_) return;
  dropped_to_ = bytes_.delivered();
  state_ = State::kReset;
  drop_unread(connection, store);
}

bool ReceiveStream::has_data_event() const {
  if (state_ != State::kOpen) return false;
  return bytes_.has_readable() || (bytes_.delivered() == final_size_ && !fin_told_ && reset_at_ == kUnknown);
}

// meets RFC 9000 2.2-1
LentBytes ReceiveStream::read(ReceiveStore& store, bool& fin) {
  const LentBytes lent = bytes_.read(store);
  fin = fin_told_ = bytes_.delivered() == final_size_ && reset_at_ == kUnknown;
  return lent;
}

uint64_t ReceiveStream::take_reset_event() {
  reset_told_ = true;
  return error_;
}

// meets RFC 9000 3.5-5
bool ReceiveStream::stop(ReceiveWindow& connection, ReceiveStore& store) {
  if (state_ != State::kOpen || fin_told_) return false;
  const bool is_late = bytes_.contiguous() == final_size_;
  dropped_to_ = bytes_.delivered();
  state_ = State::kStopped;
  drop_unread(connection, store);
  return !is_late;
}

bool ReceiveStream::is_finished() const {
  switch (state_) {
    case State::kOpen:
      return fin_told_;
    case State::kStopped:
      return has_final_size();
    case State::kReset:
      return reset_told_;
  }
  return false;
}

}  // namespace viaduct::quic
