// AES-GCM by VAES and VPCLMULQDQ on registers of 512 bits.
//
// What it is for: packets, which are short and each of another key. A packet is one pass over one stream of blocks
// (associated data, text, lengths), so that what does not depend on its length costs next to nothing, and nothing in a
// packet waits for the one before it, so that the CPU works on the end of one and the beginning of the next at once.
// Constant time: no table is looked up and no branch is taken by key or data, only by sizes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "crypto-offload/nonce.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto::vaes_gcm {

inline constexpr size_t kPowers = 32;

// As ipsec-mb 2.0 lays it out for its own VAES code, so that a key needs one expansion whoever uses it: the round keys,
// then H^32 to H^1, each times x and reduced, in the byte order of integers.
struct Schedule {
  std::array<std::array<uint8_t, 16>, 15> round_keys;
  std::array<std::array<uint8_t, 16>, kPowers> powers;
};

// True where the CPU has all that this needs. Nothing else here may be called where it has not.
bool usable();

// key: 16 or 32 bytes, as `aead` says, which is not ChaCha20-Poly1305.
void expand(Aead aead, const uint8_t* key, Schedule& schedule);

// Encrypts the spans of `in`, one after the other, to `out`, and puts the tag behind it. Room and overlap: see SealJob.
void seal(Aead aead, const Schedule& schedule, const Nonce& nonce, Bytes associated_data,
          std::span<const Bytes, kSealSpans> in, uint8_t* out);

// Decrypts `text` in place and writes the tag that it should have.
void open(Aead aead, const Schedule& schedule, const Nonce& nonce, Bytes associated_data, MutableBytes text,
          uint8_t* tag);

}  // namespace viaduct::crypto::vaes_gcm
