// How this server's connection IDs are made: what a balancer reads in front, the shard octet at the end.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/random.h"
#include "base/siphash.h"
#include "flowsteer/connection_id.h"
#include "flowsteer/nonce_sequence.h"
#include "flowsteer/quic_lb.h"

namespace viaduct::flowsteer {

// The QUIC-LB side of it, where a balancer stands in front.
struct ServerIdentity {
  QuicLbConfig config;
  std::array<uint8_t, ServerIdAndNonce::kMaxSize> server_id{};  // config.server_id_length bytes of it
  // Fewer nonces than there are, as a safeguard for a cipher of four rounds or for tests.
  uint64_t max_ids = std::numeric_limits<uint64_t>::max();

  // What is wrong with it, the configuration and the shard octet's place included; empty where nothing is.
  std::string_view problem() const;
};

// One worker's. IDs have one length for the life of the process, because a short header does not say it:
//   [first octet | server id | nonce] [shard octet]   with an identity
//   [first octet | random           ] [shard octet]   without one, or once its nonces are used up: unroutable, the
//                                                     first octet says so and encodes the length (section 3.1)
class ConnectionIdCodec {
 public:
  // Bytes of an ID without an identity: 80 random bits beside the shard octet.
  static constexpr size_t kUnroutableLength = 12;

  // Workers of one process: `worker` of `workers`, equal secrets. The identity has no problem(). `random` gives the
  // first nonce.
  ConnectionIdCodec(const std::optional<ServerIdentity>& identity, const SipKey& secret, unsigned worker,
                    unsigned workers, Random& random);

  // Bytes of every ID, 7..20.
  size_t length() const { return length_; }
  // Whether the next ID lets a balancer read the server from it; where not, a connection should get no more than one
  // ID (section 3.1).
  bool routable() const { return nonces_ && nonces_->remaining() > 0; }

  // A new ID with the shard octet at its end.
  ConnectionId mint(Random& random, uint8_t shard_octet);

 private:
  size_t length_;
  std::optional<ServerIdentity> identity_;
  std::optional<QuicLb> quic_lb_;
  std::optional<NonceSequence> nonces_;
};

// Bytes of the IDs that a codec with this identity mints, for whoever needs to know before there is one.
constexpr size_t id_length(const std::optional<ServerIdentity>& identity) {
  return identity ? identity->config.routable_length() + 1 : ConnectionIdCodec::kUnroutableLength;
}

}  // namespace viaduct::flowsteer
