// Hashing two words, and picking one of n places by a hash without a division.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viaduct {

// In [0, n): as even as the hash's high bits are.
inline size_t scaled(uint64_t hash, size_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<size_t>(static_cast<Wide>(hash) * n >> 64);
}

// Every bit of both words moves all bits of the result. For tables whose content no peer chooses: without a secret.
inline uint64_t mixed(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xc2b2ae3d27d4eb4f);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace viaduct
