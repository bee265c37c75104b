// The ChaCha20 block function (RFC 8439 section 2.3).
#pragma once

#include <array>
#include <cstdint>

namespace viaduct {

using ChaCha20Key = std::array<uint32_t, 8>;
using ChaCha20Block = std::array<uint32_t, 16>;

// The 64 bytes of key stream for a block counter and nonce, as 16 words; their little-endian
// bytes are what the RFC calls the serialized block.
ChaCha20Block chacha20_block(const ChaCha20Key& key, uint32_t counter, const std::array<uint32_t, 3>& nonce);

}  // namespace viaduct
