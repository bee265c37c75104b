// Server ids out of the blocks of encrypted connection IDs, in several kinds of code that do the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto-offload/aes_ni.h"

namespace viaduct::crypto::cid_fronts {

inline constexpr size_t kMinSize = 5, kMaxSize = 19;  // bytes of a block

// How a block of another length than AES's is cut into halves that share the middle octet where the length is odd
// (QUIC-LB draft, section 5.4.2): left has its high nibble, right its low one. Which bits of the 16 bytes from the
// block on, and from block + right_at on, belong to them; what they are expanded with in each pass; where the bytes of
// the right half belong behind the left one's.
struct alignas(16) Layout {
  std::array<uint8_t, aes_ni::kBlockSize> left_mask{};
  std::array<uint8_t, aes_ni::kBlockSize> right_mask{};
  std::array<std::array<uint8_t, aes_ni::kBlockSize>, 5> tails{};  // by the pass, 1 to 4
  std::array<uint8_t, aes_ni::kBlockSize> join{};                  // a shuffle of bytes; 0x80: zero
  uint8_t right_at = 0;
};
// size: kMinSize to kMaxSize.
const Layout& layout_of(size_t size);
// A mask of the first `length` bytes of a block.
const std::array<uint8_t, aes_ni::kBlockSize>& front_of(size_t length);

// What is wanted of the blocks of one AES-128 key.
struct Request {
  const aes_ni::Schedule& encrypt;
  const aes_ni::Schedule& decrypt;
  const Layout& layout;
  // Of the first bytes of a block those that count; the others become zero.
  const std::array<uint8_t, aes_ni::kBlockSize>& wanted;
  bool is_single_pass = false;
  // Passes 4, 3 and 2 make the left half plain, pass 1 the right one.
  bool all_passes = false;

  // The first `length` bytes of blocks of `size` bytes. The left half is enough where they end within it.
  Request(const aes_ni::Schedule& to_encrypt, const aes_ni::Schedule& to_decrypt, size_t size, size_t length)
      : encrypt(to_encrypt),
        decrypt(to_decrypt),
        layout(layout_of(size)),
        wanted(front_of(length)),
        is_single_pass(size == aes_ni::kBlockSize),
        all_passes(length > size / 2) {}
};

// `count` blocks; what follows one in the kBlockSize bytes of each half is read and ignored. 16 bytes for each to out.
using Code = void (*)(const Request& request, const uint8_t* const* blocks, uint8_t* out, size_t count);

// For CPUs with AES-NI; with VAES, where has_vaes().
void by_aes_ni(const Request& request, const uint8_t* const* blocks, uint8_t* out, size_t count);
void by_vaes(const Request& request, const uint8_t* const* blocks, uint8_t* out, size_t count);
bool has_vaes();

}  // namespace viaduct::crypto::cid_fronts
