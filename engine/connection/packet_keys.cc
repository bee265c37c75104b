#include "engine/connection/packet_keys.h"

#include <algorithm>
#include <utility>

#include "crypto-offload/aead_limits.h"

namespace viaduct::quic {

void LevelKeys::install(crypto::Direction direction, const crypto::RawKeys& keys, crypto::PacketProtector& protector) {
  const bool reading = direction == crypto::Direction::kRead;
  (reading ? read : write) = protector.make_packet_key(keys);
  (reading ? read_header : write_header) = protector.make_header_key(keys);
}

LevelKeys initial_keys(Role role, uint32_t version, Bytes dcid, crypto::PacketProtector& protector) {
  const crypto::InitialSecrets secrets = crypto::initial_secrets(version, dcid);
  const auto client = crypto::derive_keys(version, crypto::Aead::kAes128Gcm, secrets.client.bytes());
  const auto server = crypto::derive_keys(version, crypto::Aead::kAes128Gcm, secrets.server.bytes());
  LevelKeys keys;
  keys.install(crypto::Direction::kRead, role == Role::kServer ? client : server, protector);
  keys.install(crypto::Direction::kWrite, role == Role::kServer ? server : client, protector);
  return keys;
}

void OneRttKeys::install(crypto::Direction direction, uint32_t version, crypto::Aead aead, Bytes secret,
                         crypto::PacketProtector& protector) {
  version_ = version;
  limits_ = crypto::AeadLimits(aead);
  Half& half = direction == crypto::Direction::kRead ? read_ : write_;
  const crypto::RawKeys raw = crypto::derive_keys(version, aead, secret);
  half.secret = crypto::Secret(secret);
  half.key = protector.make_packet_key(raw);
  half.header = protector.make_header_key(raw);
  if (direction == crypto::Direction::kRead) {
    read_.secret = crypto::next_secret(version_, read_.secret.bytes());
    next_read_ = make_next(read_, protector);
  }
}

// meets RFC 9001 6.3-1
OneRttKeys::Phase OneRttKeys::phase_of(bool bit, uint64_t number, Instant now) const {
  if (bit == read_.phase) return Phase::kCurrent;
  // RFC 9001 section 6.5: the number tells a packet that was delayed from one that begins the next phase.
  return previous_read_ && now < previous_until_ && number < lowest_in_phase_ ? Phase::kPrevious : Phase::kNext;
}

const crypto::PacketKey* OneRttKeys::read_key(Phase phase) const {
  if (phase == Phase::kCurrent) return read_.key.get();
  return phase == Phase::kNext ? next_read_.get() : previous_read_.get();
}

// meets RFC 9001 6.1-3 6.2-1 6.2-2
bool OneRttKeys::on_opened(Phase phase, uint64_t number, Instant keep_previous_until,
                           crypto::PacketProtector& protector) {
  if (phase == Phase::kCurrent) lowest_in_phase_ = std::min(lowest_in_phase_, number);
  if (phase != Phase::kNext) return false;
  advance_read(protector);
  previous_until_ = keep_previous_until;
  lowest_in_phase_ = number;
  if (write_.phase != read_.phase) advance_write(protector);
  return true;
}

// meets RFC 9001 6.3-2 6.3-3 9.5-3
void OneRttKeys::advance_read(crypto::PacketProtector& protector) {
  previous_read_ = std::move(read_.key);
  read_.key = std::move(next_read_);
  read_.phase = !read_.phase;
  read_.secret = crypto::next_secret(version_, read_.secret.bytes());
  next_read_ = make_next(read_, protector);
}

std::unique_ptr<crypto::PacketKey> OneRttKeys::make_next(const Half& half, crypto::PacketProtector& protector) const {
  return protector.make_packet_key(crypto::derive_next_keys(version_, half.key->aead, half.secret.bytes()));
}

// Without a word of TLS: the phase bit says it.
// meets RFC 9001 6-1
void OneRttKeys::advance_write(crypto::PacketProtector& protector) {
  write_.secret = crypto::next_secret(version_, write_.secret.bytes());
  previous_write_ = std::exchange(write_.key, make_next(write_, protector));
  write_.phase = !write_.phase;
  sealed_ = 0;
  limits_.updated();
}

// meets RFC 9001 5.3-3 6.1-1 6.1-2 6.4-1 6.6-1 6.6-2 6.6-3
bool OneRttKeys::before_seal(uint64_t number, uint64_t largest_acked, bool may_update,
                             crypto::PacketProtector& protector) {
  // RFC 9001 section 6.1: not before the last update is over and a packet of the present phase was acknowledged.
  const bool settled =
      read_.phase == write_.phase && largest_acked != ~uint64_t{0} && largest_acked >= first_sent_in_phase_;
  if ((sealed_ >= update_after_ || update_asked_) && may_update && settled) {
    advance_write(protector);
    update_asked_ = false;
  }
  if (!limits_.may_seal()) return false;
  if (sealed_ == 0) first_sent_in_phase_ = number;
  ++sealed_;
  limits_.sealed();
  return true;
}

bool OneRttKeys::on_open_failed() { return limits_.failed() != crypto::KeyAction::kClose; }

// meets RFC 9001 6.1-4 6.5-2 6.5-3
void OneRttKeys::drop_previous(Instant now) {
  if (!previous_read_ || now < previous_until_) return;
  previous_read_.reset();
  previous_write_.reset();
}

}  // namespace viaduct::quic
