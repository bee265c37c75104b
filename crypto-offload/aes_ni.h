// AES by the CPU's own instructions, on blocks that may each have a key of their own.
//
// Constant time: no table is looked up and no branch is taken by key or data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace viaduct::crypto::aes_ni {

inline constexpr size_t kBlockSize = 16;
inline constexpr size_t kLanes = 8;

// Round keys of AES-128 (10 rounds) or AES-256 (14); for decryption those of the equivalent inverse cipher.
struct alignas(16) Schedule {
  std::array<std::array<uint8_t, kBlockSize>, 15> round_keys{};
  uint32_t rounds = 0;
};

// True where the CPU has AES-NI. Nothing else here may be called where it has not.
bool usable();

// key: 16 or 32 bytes.
void expand(Bytes key, Schedule& schedule);
// The schedule that decrypts what `schedule` encrypts.
void invert(const Schedule& schedule, Schedule& inverse);

// Blocks of one AES-128 key: in[i] goes to out + i * kBlockSize, which may be in[i] itself.
void encrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count);
void decrypt(const Schedule& schedule, const uint8_t* const* in, uint8_t* out, size_t count);

// One block with its key, for a header-protection mask.
struct Lane {
  const Schedule* schedule;
  const uint8_t* in;  // kBlockSize bytes
  uint8_t* out;       // 5 bytes
};
// Encrypts, and writes the first 5 bytes only (RFC 9001 section 5.4.3). 1 to kLanes lanes whose schedules have the same
// number of rounds.
void encrypt_to_masks(const Lane* lanes, size_t count);

}  // namespace viaduct::crypto::aes_ni
