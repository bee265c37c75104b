// Retry tokens that a balancer and its servers make and check alike (draft-ietf-quic-retry-offload, shared state).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/random.h"
#include "crypto-offload/openssl_algorithms.h"

namespace viaduct::crypto {

struct RetryOffloadKey {
  uint8_t sequence = 0;  // 0 to 127: which key a token was made with
  std::array<uint8_t, 16> key{};
  std::array<uint8_t, 12> iv{};

  bool operator==(const RetryOffloadKey&) const = default;
};
// Never none. Tokens are made with the first one; those of all are taken.
using RetryOffloadKeys = std::vector<RetryOffloadKey>;

enum class RetryOffloadState : uint8_t {
  kGood,
  kForeign,  // of the other type, or no token of these
  kBad,      // a Retry token that is expired, of unknown keys, or not made for this packet
};

// What a Retry token says: the connection ID that the client used first.
struct OpenedRetryToken {
  RetryOffloadState state = RetryOffloadState::kForeign;
  std::array<uint8_t, 20> original_id{};
  uint8_t original_id_size = 0;

  Bytes original() const { return {original_id.data(), original_id_size}; }
};

// Tokens with AES-128-GCM. One thread. At most 2^23 tokens may be made with a key.
class RetryOffload {
 public:
  static constexpr uint64_t kMaxTokens = uint64_t{1} << 23;
  static constexpr size_t kMaxToken = 1 + 12 + 8 + 1 + 20 + 2 + 16;
  // Seconds: for so long a token may be good.
  static constexpr uint64_t kLongestLife = 600;
  // Former keys, as many as are remembered.
  static constexpr size_t kMostFormer = 8;

  explicit RetryOffload(const RetryOffloadKeys& keys);

  // Other keys from now on. Tokens of those before are still taken up to `until`, in seconds of POSIX time.
  void change(const RetryOffloadKeys& keys, uint64_t until);

  // A Retry token for a client. original_id: 8 to 20 bytes; retry_id: the source ID of the Retry. expiry: in seconds of
  // POSIX time. Returns its size, 0 where no more may be made or an ID has no such length.
  size_t seal(const SocketAddress& client, Bytes original_id, Bytes retry_id, uint64_t expiry, Random& random,
              MutableBytes token);
  // token: of an Initial packet with the destination ID `retry_id` from `client`. now: POSIX seconds; clocks may
  // differ by two seconds.
  OpenedRetryToken open(Bytes token, const SocketAddress& client, Bytes retry_id, uint64_t now) const;

  // With the key of today.
  uint64_t sealed() const { return sealed_; }

 private:
  struct Former {
    RetryOffloadKey key;
    uint64_t until = 0;
  };
  bool open_with(const RetryOffloadKey& key, Bytes token, const SocketAddress& client, Bytes retry_id, uint64_t now,
                 OpenedRetryToken& opened) const;

  RetryOffloadKeys keys_;
  std::vector<Former> former_;  // the oldest first
  CipherContext context_;
  uint64_t sealed_ = 0;
};

// The keys of several threads: one changes them, others follow when they meet the next token, however late.
class RetryOffloadKeyring {
 public:
  struct Change {
    RetryOffloadKeys keys;
    uint64_t at = 0;  // POSIX seconds
  };

  explicit RetryOffloadKeyring(RetryOffloadKeys keys) : keys_(std::move(keys)) {}

  void change(RetryOffloadKeys keys, uint64_t at);
  // Any thread.
  unsigned changes() const { return changes_.load(std::memory_order_acquire); }
  RetryOffloadKeys keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
  }
  // Any thread. What was changed after the first `seen` changes, the oldest first; of many the last ones. `seen` is
  // then how many there were.
  std::vector<Change> since(unsigned& seen) const;

 private:
  mutable std::mutex mutex_;
  RetryOffloadKeys keys_;
  std::vector<Change> last_;
  std::atomic<unsigned> changes_{0};
};

}  // namespace viaduct::crypto
