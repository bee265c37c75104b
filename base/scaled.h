// Picking one of n places by a hash, without a division.
#pragma once

#include <cstddef>
#include <cstdint>

namespace viaduct {

// In [0, n): as even as the hash's high bits are.
inline size_t scaled(uint64_t hash, size_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<size_t>(static_cast<Wide>(hash) * n >> 64);
}

}  // namespace viaduct
