#include "engine/endpoint/address_tokens.h"

namespace viaduct::quic {

using crypto::TokenKind;
using crypto::TokenState;
using flowsteer::ConnectionId;

namespace {

// What must be the same when a token comes back.
struct Binding {
  std::array<uint8_t, 4 + 16 + 2 + ConnectionId::kMaxSize> room;
  ByteWriter writer{room};

  // RFC 9369 section 5: a token of one version is none of another.
  Binding(uint32_t version, const IpAddress& client) {
    writer.u32(version);
    writer.bytes(client.bytes);
  }
  Binding(uint32_t version, const SocketAddress& client, Bytes retry_scid) : Binding(version, client.ip) {
    writer.u16(client.port);
    writer.bytes(retry_scid);
  }
  Bytes bytes() const { return writer.written(); }
};

}  // namespace

Bytes AddressTokens::make_retry(const SocketAddress& client, uint32_t version, Bytes original_dcid, Bytes retry_scid,
                                Instant now, Random& random, Room& room) {
  const Binding binding(version, client, retry_scid);
  const size_t size =
      sealer_.seal(TokenKind::kRetry, original_dcid, binding.bytes(), now + clock_, lifetimes_.retry, random, room);
  return Bytes(room).first(size);
}

// meets RFC 9000 8.1.3-4 19.7-1
Bytes AddressTokens::make_new(const IpAddress& client, uint32_t version, Instant now, Random& random, Room& room) {
  const Binding binding(version, client);
  const size_t size =
      sealer_.seal(TokenKind::kNewToken, {}, binding.bytes(), now + clock_, lifetimes_.new_token, random, room);
  return Bytes(room).first(size);
}

// meets RFC 9000 8.1.4-5
TokenFinding AddressTokens::check(Bytes token, const SocketAddress& client, uint32_t version, Bytes dcid, Instant now) {
  using State = TokenFinding::State;
  if (token.empty() || dcid.size() > ConnectionId::kMaxSize) return {};
  if (token[0] != static_cast<uint8_t>(TokenKind::kRetry)) {
    const Binding binding(version, client.ip);
    const bool good = sealer_.open(token, binding.bytes(), now + clock_).state == TokenState::kGood;
    return {.state = good ? State::kNew : State::kNone};
  }
  const Binding binding(version, client, dcid);
  const crypto::OpenedToken opened = sealer_.open(token, binding.bytes(), now + clock_);
  if (opened.state != TokenState::kGood) {
    return {.state = opened.state == TokenState::kExpired ? State::kExpired : State::kForged};
  }
  return {.state = State::kRetry, .original_dcid = ConnectionId(opened.contents)};
}

}  // namespace viaduct::quic
