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

// How a block of another length than AES's is cut into halves (QUIC-LB draft, section 5.4.2): which bits of the 16
// bytes from `in` on, and from in + right_at on, belong to them, and what they are expanded with in each pass.
struct alignas(16) HalvesLayout {
  std::array<uint8_t, kBlockSize> left_mask{};
  std::array<uint8_t, kBlockSize> right_mask{};
  std::array<std::array<uint8_t, kBlockSize>, 5> tails{};  // by the pass, 1 to 4
  uint8_t right_at = 0;
};

// Takes passes 4, 3, 2 and, if all_passes, 1 back from such blocks of one AES-128 key. What follows in[i] in the
// kBlockSize bytes of each half is read and ignored. To out + i * 2 * kBlockSize go the left half with zeros behind it,
// then the right one.
void unmix(const Schedule& schedule, const HalvesLayout& layout, const uint8_t* const* in, uint8_t* out, size_t count,
           bool all_passes);

}  // namespace viaduct::crypto::aes_ni
