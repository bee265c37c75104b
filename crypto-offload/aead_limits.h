// How long a key may be used (RFC 9001 section 6.6).
#pragma once

#include <cstdint>

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

// What to do about a key after one more use.
enum class KeyAction : uint8_t {
  kNone,
  kUpdate,  // start a key update soon
  kClose,   // no packet may be sealed or opened any more: close with AEAD_LIMIT_REACHED
};

// Counts the packets sealed with one connection's current key, and those that could not be opened with any
// of its keys.
class AeadLimits {
 public:
  // No limit is reached in practice: more packets than a connection has numbers.
  static constexpr uint64_t kUnlimited = uint64_t{1} << 62;

  // Packets that one key may seal.
  static constexpr uint64_t confidentiality_limit(Aead aead) {
    return aead == Aead::kChaCha20Poly1305 ? kUnlimited : uint64_t{1} << 23;
  }
  // Packets that may fail to open, over all keys of a connection.
  static constexpr uint64_t integrity_limit(Aead aead) {
    return uint64_t{1} << (aead == Aead::kChaCha20Poly1305 ? 36 : 52);
  }

  explicit AeadLimits(Aead aead) : AeadLimits(confidentiality_limit(aead), integrity_limit(aead)) {}
  AeadLimits(uint64_t seal_limit, uint64_t failure_limit) : seal_limit_(seal_limit), failure_limit_(failure_limit) {}

  // Whether the key may seal another packet.
  bool may_seal() const { return sealed_ < seal_limit_; }
  // A packet was sealed. An update is asked for while an eighth of the limit is left, so that a peer that is slow to
  // acknowledge (section 6.1 lets no update follow another before) doesn't cost the connection.
  KeyAction sealed() {
    if (++sealed_ >= seal_limit_) return KeyAction::kClose;
    return sealed_ >= seal_limit_ - seal_limit_ / 8 ? KeyAction::kUpdate : KeyAction::kNone;
  }
  // The keys for sealing were replaced.
  void updated() { sealed_ = 0; }
  // A packet failed to open.
  KeyAction failed() { return ++failed_ >= failure_limit_ ? KeyAction::kClose : KeyAction::kNone; }

 private:
  uint64_t seal_limit_;
  uint64_t failure_limit_;
  uint64_t sealed_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace viaduct::crypto
