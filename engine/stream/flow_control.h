// Flow control (RFC 9000 section 4): what a peer may send us, and what we may send it; on a stream or in all.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/instant.h"

namespace viaduct::quic {

// What we let a peer send: `window` bytes beyond what was consumed. The window doubles, up to a maximum, when the peer
// uses it up faster than one update comes around.
class ReceiveWindow {
 public:
  ReceiveWindow(uint64_t window, uint64_t max_window)
      : limit_(window), window_(window), max_window_(std::max(window, max_window)) {}

  // Bytes the peer may send in all, as last told to it.
  uint64_t limit() const { return limit_; }
  uint64_t window() const { return window_; }
  uint64_t received() const { return received_; }
  uint64_t consumed() const { return consumed_; }

  // Whether `increase` more bytes, counted by their highest offset, are beyond the limit.
  bool exceeds(uint64_t increase) const { return increase > limit_ - received_; }
  // Only what does not exceed.
  void receive(uint64_t increase) { received_ += increase; }
  // Bytes that were used, or are discarded: room for as many new ones.
  void consume(uint64_t count) { consumed_ += count; }

  // Whether the limit is worth telling again: half the window is used up. Well before the peer must stop.
  // meets RFC 9000 4.2-1
  bool wants_update() const { return window_ > 0 && limit_ - consumed_ <= window_ / 2; }
  // The limit to be told now. rtt: smoothed, to judge by whether the window is too small.
  uint64_t update(Instant now, Duration rtt);

 private:
  uint64_t limit_;
  uint64_t window_;
  uint64_t max_window_;
  uint64_t received_ = 0;
  uint64_t consumed_ = 0;
  Instant updated_ = Instant::never();  // never: not yet
};

// What the peer lets us send.
class SendWindow {
 public:
  explicit SendWindow(uint64_t limit = 0) : limit_(limit) {}

  uint64_t limit() const { return limit_; }
  uint64_t used() const { return used_; }
  uint64_t available() const { return limit_ - used_; }
  void use(uint64_t count) { used_ += count; }
  // A lower limit than before is ignored (RFC 9000 section 4.1). Whether it was raised.
  // meets RFC 9000 4.1-3 13.3-5
  bool raise(uint64_t limit) {
    if (limit <= limit_) return false;
    limit_ = limit;
    return true;
  }
  // Once for each limit that held us up: a *_BLOCKED frame with it is due.
  bool take_blocked() {
    if (available() > 0 || blocked_told_ == limit_ + 1) return false;
    blocked_told_ = limit_ + 1;
    return true;
  }

 private:
  uint64_t limit_;
  uint64_t used_ = 0;
  uint64_t blocked_told_ = 0;  // one more than the limit told last
};

}  // namespace viaduct::quic
