// What a server's tokens mean: a Retry token that an address was shown to be the client's, a NEW_TOKEN token that it
// was on an earlier connection (RFC 9000 section 8.1).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/instant.h"
#include "base/random.h"
#include "crypto-offload/retry_offload.h"
#include "crypto-offload/token_sealer.h"
#include "engine/congestion/careful_resume.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

// What the token of a client's first Initial says.
struct TokenFinding {
  enum class State : uint8_t {
    kNone,     // no token, or none that means anything: the client's address is unknown
    kNew,      // a good NEW_TOKEN token
    kRetry,    // a good Retry token
    kExpired,  // a Retry token that is too old
    kForged,   // a Retry token that is not ours, or was given to another address or for another connection; or one
               // shared with a balancer that is bad for whatever reason
  };
  State state = State::kNone;
  flowsteer::ConnectionId original_dcid;  // kRetry: of the client's first Initial
  PathKnowledge path;                     // kNew: what we knew of the path to the client

  bool proves_address() const { return state == State::kNew || state == State::kRetry; }
  bool is_bad_retry() const { return state == State::kExpired || state == State::kForged; }
};

// A balancer in front sends Retry for us: tokens are made and checked as it does (draft-ietf-quic-retry-offload, shared
// state), ours as well, because it looks at them.
struct RetrySharing {
  const crypto::RetryOffloadKeyring* keys = nullptr;  // outlives who reads it
  // Added to `now`, in nanoseconds, for POSIX time; another thread may adjust it. Outlives who reads it.
  const std::atomic<int64_t>* posix_offset = nullptr;
};

// One shard's. Whoever has the same secret and clock understands its tokens.
class AddressTokens {
 public:
  static constexpr size_t kMaxSize =
      std::max(crypto::TokenSealer::kOverhead + flowsteer::ConnectionId::kMaxSize, crypto::RetryOffload::kMaxToken);
  using Room = std::array<uint8_t, kMaxSize>;

  struct Lifetimes {
    Duration retry;
    Duration new_token;  // also how long a key seals
  };
  // clock: what is added to `now` for a clock that all who share the secret have in common.
  // sharing: null where nobody sends Retry for us.
  AddressTokens(Bytes secret, const Lifetimes& lifetimes, Duration clock, const RetrySharing* sharing = nullptr)
      : sealer_(secret, std::max(lifetimes.retry, lifetimes.new_token)), lifetimes_(lifetimes), clock_(clock) {
    if (sharing) shared_.emplace(*sharing);
  }

  // False once a key that is shared has sealed as many as it may.
  bool can_make_retry() const {
    return !shared_ || shared_->has_other_keys() || shared_->tokens.sealed() < crypto::RetryOffload::kMaxTokens;
  }
  // A Retry token for a client at `client` whose first Initial went to original_dcid, and whose next goes to
  // retry_scid. While can_make_retry().
  Bytes make_retry(const SocketAddress& client, uint32_t version, Bytes original_dcid, Bytes retry_scid, Instant now,
                   Random& random, Room& room);
  // A NEW_TOKEN token for a client's address, whatever its port: a NAT may change that (RFC 9000 section 8.1.3). It
  // remembers the path for us; nobody else can read it.
  Bytes make_new(const IpAddress& client, uint32_t version, const PathKnowledge& path, Instant now, Random& random,
                 Room& room);
  // The token of an Initial that `client` sent to `dcid`.
  TokenFinding check(Bytes token, const SocketAddress& client, uint32_t version, Bytes dcid, Instant now);

 private:
  struct Shared {
    explicit Shared(const RetrySharing& from)
        : sharing(from), changes(from.keys->changes()), tokens(from.keys->keys()) {}
    uint64_t posix_seconds(Instant now) const;
    bool has_other_keys() const { return sharing.keys->changes() != changes; }
    // Takes other keys where there are some.
    void follow();

    RetrySharing sharing;
    unsigned changes;
    crypto::RetryOffload tokens;
  };
  TokenFinding check_shared(Bytes token, const SocketAddress& client, Bytes dcid, Instant now);

  std::optional<Shared> shared_;
  crypto::TokenSealer sealer_;
  Lifetimes lifetimes_;
  Duration clock_;
};

}  // namespace viaduct::quic
