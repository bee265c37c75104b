// The CRYPTO bytes of one encryption level, in both directions (RFC 9000 sections 7.5 and 19.6).
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "engine/stream/frame_outcome.h"
#include "engine/stream/reassembly.h"
#include "engine/stream/send_progress.h"
#include "engine/wire/frames.h"

namespace viaduct::quic {

struct CryptoSpan {
  uint64_t offset = 0;
  Bytes data;  // readable until the next call
};

// Not flow controlled, so bounded: a peer may be this far ahead of what TLS has taken, and TLS may have this much
// unacknowledged. What is sent is copied, in memory of its own, as TLS is (it goes with the handshake).
class CryptoStream {
 public:
  // meets RFC 9000 7.5-1
  static constexpr uint64_t kHandshakeLimit = 64 << 10;
  static constexpr uint64_t kLateLimit = 16 << 10;  // once the handshake is complete

  CryptoStream(ReceiveStore& store, RangePool& ranges) : store_(store), ranges_(ranges), received_(0) {}
  ~CryptoStream() { clear(); }

  // --- receiving ---
  // CRYPTO_BUFFER_EXCEEDED beyond the limit.
  FrameOutcome on_frame(const CryptoFrame& frame);
  // Calls provide(Bytes) with what is in order and new.
  template <class Provide>
  void deliver(Provide&& provide) {
    for (LentBytes next = received_.read(store_); !next.bytes.empty(); next = received_.read(store_)) {
      provide(next.bytes);
      store_.consume(next.token);
    }
  }
  // Bytes wait for others in front of them.
  bool has_gap() const { return received_.contiguous() < highest_; }
  // TLS has keys for a higher level: nothing new may come at this one, and nothing may be left over. A
  // PROTOCOL_VIOLATION where something is (RFC 9001 section 4.1.3).
  TransportError end_receiving();
  void set_limit(uint64_t limit) { limit_ = limit; }

  // --- sending ---
  // False, and nothing taken, beyond kHandshakeLimit unacknowledged bytes.
  bool append(Bytes data);
  bool has_next() const { return progress_.has_lost() || progress_.has_unsent(); }
  // Up to `room` bytes, lost ones first; marked as sent. Only where has_next().
  CryptoSpan next(size_t room);
  // Where next() begins: to ask crypto_data_room() first.
  uint64_t next_offset() const { return progress_.next(kMaxVarint).begin; }
  // For who sends in an order of its own: marks everything as sent; how many bytes, from offset 0. 0 where some were
  // sent before.
  uint64_t take_all();
  // Bytes marked as sent and not acknowledged.
  Bytes sent_bytes(uint64_t offset, size_t length) const { return Bytes(sent_).subspan(offset - sent_base_, length); }
  void on_acked(uint64_t offset, uint64_t length);
  void on_lost(uint64_t offset, uint64_t length) { progress_.on_lost(ranges_, {offset, offset + length}); }
  bool is_all_acked() const { return progress_.acked() == progress_.end(); }

  // The level's keys are gone.
  void clear();

 private:
  ReceiveStore& store_;
  RangePool& ranges_;
  Reassembly received_;
  uint64_t highest_ = 0;
  uint64_t limit_ = kHandshakeLimit;
  bool has_ended_ = false;
  SendProgress progress_;
  std::vector<uint8_t> sent_;  // bytes [sent_base_, progress_.end())
  uint64_t sent_base_ = 0;
};

}  // namespace viaduct::quic
