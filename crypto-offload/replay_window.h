// What was seen already and must not count twice: 0-RTT flights (RFC 8446 section 8.2), tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace viaduct::crypto {

// Remembers fingerprints for some time. Bounded: where there is no room, an answer is "seen", which costs early data a
// round trip. For early data one window is shared by all workers of a process; it knows nothing of other processes, so
// early data must be harmless when repeated all the same. Any thread.
// meets RFC 9001 9.2-1
class ReplayWindow {
 public:
  // Covers the time in which TLS takes a ticket's age for plausible.
  static constexpr int64_t kSeconds = 30;

  // capacity: fingerprints at a time, rounded up to a power of two of at least kWays. Until `refuse_until` (seconds of
  // the caller's clock) nothing is new: a process that shares ticket keys with its predecessor doesn't know what that
  // saw. seconds: for how long to remember, less than 2^24.
  explicit ReplayWindow(size_t capacity, int64_t refuse_until = 0, int64_t seconds = kSeconds);

  // True for a fingerprint not seen within that time.
  bool is_new(uint64_t fingerprint, int64_t now_seconds);

 private:
  static constexpr size_t kWays = 8;

  size_t mask_;
  std::unique_ptr<std::atomic<uint64_t>[]> entries_;  // 40 bits of fingerprint over 24 bits of time; 0: never used
  int64_t refuse_until_;
  uint64_t seconds_;
};

}  // namespace viaduct::crypto
