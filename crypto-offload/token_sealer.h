// Tokens that a server gives away and understands when they come back: Retry and NEW_TOKEN (RFC 9000 section 8.1).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/random.h"
#include "crypto-offload/hkdf.h"
#include "crypto-offload/openssl_algorithms.h"
#include "crypto-offload/replay_window.h"

namespace viaduct::crypto {

// Told apart in the clear, so that a token of one kind that cannot be opened is still known to be of it:
// a bad Retry token ends a connection, a bad NEW_TOKEN token is no token (RFC 9000 section 8.1.3). The first bit says
// it to a balancer, too, that sends Retry on our behalf (draft-ietf-quic-retry-offload).
enum class TokenKind : uint8_t { kRetry = 0x01, kNewToken = 0x82 };

enum class TokenState : uint8_t {
  kGood,
  kExpired,  // ours, but too old
  kUsed,     // a NEW_TOKEN token that came before (RFC 9000 section 8.1.4)
  kForged,   // not ours, bound to something else, or of keys that are gone
};

struct OpenedToken {
  TokenState state = TokenState::kForged;
  TokenKind kind = TokenKind::kNewToken;  // as the token says, whatever its state; kNewToken for bytes that say nothing
  Bytes contents;                         // of a good token
};

// Seals with AES-256-GCM under keys that are made from one secret and the time, so that all who share the secret and
// a clock open each other's tokens without exchanging keys. A key is used for `key_life`; no token lives longer. A
// clock that is up to one key_life ahead or behind still opens. A NEW_TOKEN token is good once at each sealer, which
// remembers kRemembered of them and takes those beyond for used. One thread.
// meets RFC 9000 8.1.1-1 8.1.3-3 8.1.3-5 8.1.4-1 8.1.4-2 8.1.4-3 8.1.4-4 8.1.4-6 8.1.4-8
class TokenSealer {
 public:
  static constexpr size_t kSecretSize = 32;
  // What a token is longer than its contents.
  static constexpr size_t kOverhead = 38;
  static constexpr size_t kMaxContents = 64;
  static constexpr size_t kRemembered = 1 << 14;

  TokenSealer(Bytes secret, Duration key_life);

  // bound_to: what must be the same when the token comes back (an address). lifetime: at most key_life. Returns the
  // token's size: kOverhead more than that of its contents, or 0 where `token` has no room or the contents are
  // longer than kMaxContents.
  size_t seal(TokenKind kind, Bytes contents, Bytes bound_to, Instant now, Duration lifetime, Random& random,
              MutableBytes token);
  // The contents stand in the sealer until the next call.
  OpenedToken open(Bytes token, Bytes bound_to, Instant now);

 private:
  static constexpr size_t kKeys = 4;
  struct Key {
    int64_t generation = -1;
    CipherContext context;
  };

  EVP_CIPHER_CTX* key_of(int64_t generation);
  int64_t generation_at(Instant now) const { return now.ns() / key_life_.ns(); }

  bool is_first_use(Bytes nonce, Instant now);

  Secret secret_;
  Duration key_life_;
  ReplayWindow used_;
  std::array<Key, kKeys> keys_;
  std::array<uint8_t, kMaxContents + sizeof(uint64_t)> opened_{};
};

}  // namespace viaduct::crypto
