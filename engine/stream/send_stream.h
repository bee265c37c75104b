// The sending part of a stream (RFC 9000 section 3.1): writes of the application, sent from where they lie until the
// peer has acknowledged them.
#pragma once

#include <cstdint>
#include <optional>

#include "base/cache_line.h"
#include "base/chunk.h"
#include "base/intrusive_list.h"
#include "base/pool.h"
#include "engine/stream/flow_control.h"
#include "engine/stream/send_progress.h"

namespace viaduct::quic {

// One kWrite: bytes of a chunk whose reference the application gave us. A node of the endpoint's pool, on a cache line
// of its own.
struct alignas(kCacheLine) Write : ListNode<> {
  Chunk* chunk = nullptr;  // null only where length is 0
  uint32_t offset = 0;     // of the bytes, within the chunk
  uint32_t length = 0;
  uint64_t stream = 0;
  uint64_t stream_offset = 0;  // of the bytes, within the stream
  bool quiet = false;
};
using WritePool = Pool<Write>;
using WriteList = IntrusiveList<Write>;

// Bytes to put into one STREAM frame; all of one chunk.
struct SendSpan {
  const uint8_t* data = nullptr;
  uint32_t length = 0;
  uint64_t offset = 0;  // of the first byte, within the stream
  bool fin = false;
};

// The pools are the endpoint's, and are passed in so that a stream stays small.
class SendStream {
 public:
  enum class State : uint8_t { kOpen, kReset };

  explicit SendStream(uint64_t limit) : window_(limit) {}

  // --- from the application ---
  // Appends a write to the stream and, with fin, its end. The node becomes the stream's, until it goes to `released`.
  // Only where is_writable().
  void append(Write& write, bool fin, WriteList& released);
  // Neither ended nor reset.
  bool is_writable() const { return state_ == State::kOpen && !fin_ && reset_at_ == 0; }
  // Ends the stream short: what is unsent stays so, and all writes go to `released`. Bytes below `reliable` are
  // delivered all the same (RESET_STREAM_AT); of what was written. False where it is too late (everything is
  // acknowledged, or it was reset before).
  bool reset(uint64_t error, uint64_t reliable, RangePool& ranges, WriteList& released);

  // --- to the packet builder ---
  // Whether next() has something, given the connection's flow control has `credit` bytes for new data.
  bool has_next(uint64_t credit) const;
  // Where that begins.
  uint64_t next_offset() const { return progress_.next(progress_.end()).begin; }
  bool has_unsent() const { return state_ == State::kOpen && progress_.has_unsent(); }
  // What to send next, up to `room` bytes, and marks it sent; lost bytes first. `credit`: what the connection's flow
  // control has for new bytes; those of the span are taken off. An empty span without fin where there is
  // nothing, or no room for it.
  SendSpan next(uint64_t room, uint64_t& credit, RangePool& ranges);

  // --- from the peer ---
  // Writes whose bytes are all acknowledged go to `released`, in order.
  void on_acked(uint64_t offset, uint32_t length, bool fin, RangePool& ranges, WriteList& released);
  void on_lost(uint64_t offset, uint32_t length, bool fin, RangePool& ranges);
  void on_reset_acked() { reset_acked_ = true; }

  // Nothing is to be sent or waited for any more: "Data Recvd" or "Reset Recvd".
  bool is_finished() const;
  bool is_reset() const { return state_ == State::kReset; }
  uint64_t error() const { return error_; }
  // RESET_STREAM's Final Size: what was sent, or will be, and counts for flow control. It does not change.
  uint64_t final_size() const { return final_size_ ? *final_size_ : progress_.sent(); }
  // 0 for RESET_STREAM.
  uint64_t reliable_size() const { return state_ == State::kReset ? 0 : reset_at_; }
  SendWindow& window() { return window_; }
  const SendWindow& window() const { return window_; }
  // As if nothing had been sent; the limit is zero again.
  void restart(RangePool& ranges);
  // Gives everything back: the connection is gone.
  void clear(RangePool& ranges, WriteList& released);

 private:
  void release_acked(WriteList& released);
  void release(Write& write, WriteList& released);
  void reset_at(uint64_t reliable, RangePool& ranges, WriteList& released);
  Write* write_at(uint64_t offset);
  Write* write_behind(Write& write);

  WriteList writes_;         // not released; ascending, without gaps
  Write* unsent_ = nullptr;  // the write with the first unsent byte, if any
  Write* resend_ = nullptr;  // where the search for lost bytes begins, if anywhere but at the front
  SendProgress progress_;
  SendWindow window_;
  uint64_t error_ = 0;
  uint64_t reset_at_ = 0;               // the reliable size of RESET_STREAM_AT; 0: none was sent
  std::optional<uint64_t> final_size_;  // once it was reset
  State state_ = State::kOpen;
  bool fin_ = false;          // the application ended it at progress_.end()
  bool fin_pending_ = false;  // the end is to be sent, for the first time or again
  bool fin_acked_ = false;
  bool reset_acked_ = false;
};

}  // namespace viaduct::quic
