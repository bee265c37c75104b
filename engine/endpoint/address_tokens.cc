#include "engine/endpoint/address_tokens.h"

namespace viaduct::quic {

using crypto::TokenKind;
using crypto::TokenState;
using flowsteer::ConnectionId;

namespace {

// Of a token's first octet, whoever made it: clear in one that came with a Retry.
constexpr uint8_t kIsNotOfRetry = 0x80;

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

// What a NEW_TOKEN token says of a path: bytes and microseconds, or nothing.
struct PathNote {
  std::array<uint8_t, 8> room;
  ByteWriter writer{room};

  explicit PathNote(const PathKnowledge& path) {
    if (path.window == 0) return;
    const auto narrow = [](uint64_t value) { return static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX)); };
    writer.u32(narrow(path.window));
    writer.u32(narrow(static_cast<uint64_t>(path.round_trip.us())));
  }
  Bytes bytes() const { return writer.written(); }
};

PathKnowledge read_path_note(Bytes note) {
  ByteReader reader(note);
  const uint32_t window = reader.u32();
  const Duration round_trip = Duration::microseconds(reader.u32());
  return reader.ok() ? PathKnowledge{window, round_trip} : PathKnowledge();
}

}  // namespace

uint64_t AddressTokens::Shared::posix_seconds(Instant now) const {
  return static_cast<uint64_t>((now.ns() + sharing.posix_offset->load(std::memory_order_relaxed)) / 1'000'000'000);
}

void AddressTokens::Shared::follow() {
  if (!has_other_keys()) return;
  for (const auto& change : sharing.keys->since(changes))
    tokens.change(change.keys, change.at + crypto::RetryOffload::kLongestLife);
}

Bytes AddressTokens::make_retry(const SocketAddress& client, uint32_t version, Bytes original_dcid, Bytes retry_scid,
                                Instant now, Random& random, Room& room) {
  if (shared_) {
    shared_->follow();
    const uint64_t expiry = shared_->posix_seconds(now + lifetimes_.retry);
    return Bytes(room).first(shared_->tokens.seal(client, original_dcid, retry_scid, expiry, random, room));
  }
  const Binding binding(version, client, retry_scid);
  const size_t size =
      sealer_.seal(TokenKind::kRetry, original_dcid, binding.bytes(), now + clock_, lifetimes_.retry, random, room);
  return Bytes(room).first(size);
}

// meets RFC 9000 8.1.3-4 19.7-1
Bytes AddressTokens::make_new(const IpAddress& client, uint32_t version, const PathKnowledge& path, Instant now,
                              Random& random, Room& room) {
  const Binding binding(version, client);
  const PathNote note(path);
  const size_t size = sealer_.seal(TokenKind::kNewToken, note.bytes(), binding.bytes(), now + clock_,
                                   lifetimes_.new_token, random, room);
  return Bytes(room).first(size);
}

// meets RFC 9000 8.1.4-5
TokenFinding AddressTokens::check(Bytes token, const SocketAddress& client, uint32_t version, Bytes dcid, Instant now) {
  using State = TokenFinding::State;
  if (token.empty() || dcid.size() > ConnectionId::kMaxSize) return {};
  if (shared_ && !(token[0] & kIsNotOfRetry)) return check_shared(token, client, dcid, now);
  if (token[0] != static_cast<uint8_t>(TokenKind::kRetry)) {
    const Binding binding(version, client.ip);
    const crypto::OpenedToken opened = sealer_.open(token, binding.bytes(), now + clock_);
    if (opened.state != TokenState::kGood) return {};
    return {.state = State::kNew, .path = read_path_note(opened.contents)};
  }
  const Binding binding(version, client, dcid);
  const crypto::OpenedToken opened = sealer_.open(token, binding.bytes(), now + clock_);
  if (opened.state != TokenState::kGood) {
    return {.state = opened.state == TokenState::kExpired ? State::kExpired : State::kForged};
  }
  return {.state = State::kRetry, .original_dcid = ConnectionId(opened.contents)};
}

TokenFinding AddressTokens::check_shared(Bytes token, const SocketAddress& client, Bytes dcid, Instant now) {
  shared_->follow();
  using State = TokenFinding::State;
  const crypto::OpenedRetryToken opened = shared_->tokens.open(token, client, dcid, shared_->posix_seconds(now));
  if (opened.state != crypto::RetryOffloadState::kGood) return {.state = State::kForged};
  return {.state = State::kRetry, .original_dcid = ConnectionId(opened.original())};
}

}  // namespace viaduct::quic
