#include "flowsteer/connection_id_codec.h"

namespace viaduct::flowsteer {

std::string_view ServerIdentity::problem() const {
  if (const auto found = config.problem(); !found.empty()) return found;
  if (config.routable_length() + 1 > ConnectionId::kMaxSize)
    return "server id and nonce together must have at most 18 bytes, because the shard octet takes one";
  return {};
}

ConnectionIdCodec::ConnectionIdCodec(const std::optional<ServerIdentity>& identity, const SipKey& secret,
                                     unsigned worker, unsigned workers, Random& random)
    : length_(id_length(identity)), identity_(identity) {
  if (!identity_) return;
  quic_lb_.emplace(identity_->config);
  nonces_.emplace(secret, identity_->config.nonce_length, worker, workers, identity_->max_ids, random);
}

// meets RFC 9000 5.1-1 5.1-2 10.3.2-3 10.3.2-4
ConnectionId ConnectionIdCodec::mint(Random& random, uint8_t shard_octet) {
  std::array<uint8_t, ConnectionId::kMaxSize> id;
  const MutableBytes room(id.data(), length_);
  const uint8_t encoded_length = static_cast<uint8_t>(length_ - 1);
  std::array<uint8_t, ServerIdAndNonce::kMaxSize> nonce;
  if (nonces_ && nonces_->next(random, nonce.data())) {
    const QuicLbConfig& config = identity_->config;
    const uint8_t low_bits = config.encode_length ? encoded_length : static_cast<uint8_t>(random.u64());
    room[0] = first_octet(config.id, low_bits);
    quic_lb_->encode({identity_->server_id.data(), config.server_id_length}, {nonce.data(), config.nonce_length},
                     &room[1]);
  } else {
    room[0] = first_octet(kUnroutableId, encoded_length);
    random.fill(room.subspan(1));
  }
  room.back() = shard_octet;
  return ConnectionId(room);
}

}  // namespace viaduct::flowsteer
