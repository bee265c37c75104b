// The receiving part of a stream (RFC 9000 section 3.2).
#pragma once

#include <cstdint>

#include "engine/stream/flow_control.h"
#include "engine/stream/frame_outcome.h"
#include "engine/stream/reassembly.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

class ReceiveStream {
 public:
  ReceiveStream(uint64_t stream, uint64_t window, uint64_t max_window) : bytes_(stream), window_(window, max_window) {}

  // --- from the peer. `connection` is charged for new offsets, and credited for what is discarded. ---
  FrameOutcome on_stream(const StreamFrame& frame, ReceiveWindow& connection, ReceiveStore& store);
  // RESET_STREAM, or RESET_STREAM_AT: then the reset is told once the bytes below its reliable size were.
  FrameOutcome on_reset(const ResetStreamFrame& frame, ReceiveWindow& connection, ReceiveStore& store);

  // --- to the application ---
  bool has_data_event() const;
  // Only where has_data_event(): the next bytes, possibly none; `fin` where they are the last.
  LentBytes read(ReceiveStore& store, bool& fin);
  // After read(): a reset that waited for bytes to be told may have its turn.
  void settle_reset(ReceiveWindow& connection, ReceiveStore& store);
  bool has_reset_event() const { return state_ == State::kReset && !reset_told_; }
  uint64_t take_reset_event();

  // --- from the application ---
  void on_consumed(uint64_t count) { window_.consume(count); }
  // It wants no more: what came and was not handed on is dropped, as is what comes. False where nothing is left to
  // stop: the peer has reset the stream, or all of it has arrived.
  bool stop(ReceiveWindow& connection, ReceiveStore& store);

  // Whether MAX_STREAM_DATA is worth sending.
  bool wants_update() const { return is_receiving() && window_.wants_update(); }
  // Whether the size is not known yet: MAX_STREAM_DATA and STOP_SENDING still mean something.
  bool is_receiving() const { return state_ == State::kOpen && final_size_ == kUnknown; }
  bool is_stopped() const { return state_ == State::kStopped; }
  bool has_final_size() const { return final_size_ != kUnknown; }
  // Everything was received and told to the application, or nobody wants it any more.
  bool is_finished() const;
  ReceiveWindow& window() { return window_; }
  // Gives memory back: the connection is gone.
  void clear(ReceiveStore& store) { bytes_.discard(store); }

 private:
  enum class State : uint8_t { kOpen, kStopped, kReset };
  static constexpr uint64_t kUnknown = ~uint64_t{0};

  TransportError check(uint64_t end, bool is_final, const ReceiveWindow& connection, uint64_t frame_type) const;
  void charge(uint64_t end, ReceiveWindow& connection);
  bool take(const StreamFrame& frame, ReceiveStore& store);
  void drop_unread(ReceiveWindow& connection, ReceiveStore& store);

  Reassembly bytes_;
  ReceiveWindow window_;  // received() is the highest offset
  uint64_t final_size_ = kUnknown;
  uint64_t dropped_to_ = 0;       // offsets from here on are still to be credited, once the stream is reset or stopped
  uint64_t reset_at_ = kUnknown;  // the smallest reliable size of the peer's resets
  uint64_t error_ = 0;
  State state_ = State::kOpen;
  bool fin_told_ = false;
  bool reset_told_ = false;
};

}  // namespace viaduct::quic
