// What a server's tokens mean: a Retry token that an address was shown to be the client's, a NEW_TOKEN token that it
// was on an earlier connection (RFC 9000 section 8.1).
#pragma once

#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "base/instant.h"
#include "base/random.h"
#include "crypto-offload/token_sealer.h"
#include "flowsteer/connection_id.h"

namespace viaduct::quic {

// What the token of a client's first Initial says.
struct TokenFinding {
  enum class State : uint8_t {
    kNone,     // no token, or none that means anything: the client's address is unknown
    kNew,      // a good NEW_TOKEN token
    kRetry,    // a good Retry token
    kExpired,  // a Retry token that is too old
    kForged,   // a Retry token that is not ours, or was given to another address or for another connection
  };
  State state = State::kNone;
  flowsteer::ConnectionId original_dcid;  // kRetry: of the client's first Initial

  bool proves_address() const { return state == State::kNew || state == State::kRetry; }
  bool is_bad_retry() const { return state == State::kExpired || state == State::kForged; }
};

// One shard's. Whoever has the same secret and clock understands its tokens.
class AddressTokens {
 public:
  static constexpr size_t kMaxSize = crypto::TokenSealer::kOverhead + flowsteer::ConnectionId::kMaxSize;
  using Room = std::array<uint8_t, kMaxSize>;

  struct Lifetimes {
    Duration retry;
    Duration new_token;  // also how long a key seals
  };
  // clock: what is added to `now` for a clock that all who share the secret have in common.
  AddressTokens(Bytes secret, const Lifetimes& lifetimes, Duration clock)
      : sealer_(secret, std::max(lifetimes.retry, lifetimes.new_token)), lifetimes_(lifetimes), clock_(clock) {}

  // A Retry token for a client at `client` whose first Initial went to original_dcid, and whose next goes to
  // retry_scid.
  Bytes make_retry(const SocketAddress& client, uint32_t version, Bytes original_dcid, Bytes retry_scid, Instant now,
                   Random& random, Room& room);
  // A NEW_TOKEN token for a client's address, whatever its port: a NAT may change that (RFC 9000 section 8.1.3).
  Bytes make_new(const IpAddress& client, uint32_t version, Instant now, Random& random, Room& room);
  // The token of an Initial that `client` sent to `dcid`.
  TokenFinding check(Bytes token, const SocketAddress& client, uint32_t version, Bytes dcid, Instant now);

 private:
  crypto::TokenSealer sealer_;
  Lifetimes lifetimes_;
  Duration clock_;
};

}  // namespace viaduct::quic
