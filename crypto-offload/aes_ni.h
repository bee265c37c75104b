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

// One block with its key; where the result goes may be where the block is.
struct Lane {
  const Schedule* schedule;
  const uint8_t* in;  // kBlockSize bytes
  uint8_t* out;       // kBlockSize bytes, or those of a mask
};

// 1 to kLanes lanes whose schedules have the same number of rounds.
void encrypt(const Lane* lanes, size_t count);
void decrypt(const Lane* lanes, size_t count);
// Encrypts, and writes the first 5 bytes only: header-protection masks (RFC 9001 section 5.4.3).
void encrypt_to_masks(const Lane* lanes, size_t count);

// A block of another length than AES's, cut into halves of up to 10 bytes with zeros behind them (QUIC-LB draft,
// section 5.4.2). The masks say which bits belong to a half.
struct HalvesLane {
  const Schedule* schedule;
  uint8_t* left;  // kBlockSize bytes, as all below
  uint8_t* right;
  const uint8_t* left_mask;
  const uint8_t* right_mask;
  uint8_t size;  // of the whole block
};

// Takes passes 4, 3, 2 and, if all_passes, 1 back. 1 to kLanes lanes of AES-128.
void unmix(const HalvesLane* lanes, size_t count, bool all_passes);

}  // namespace viaduct::crypto::aes_ni
