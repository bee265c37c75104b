// Hashing two words, and finding places by a hash: one of n without a division; in tables with open addressing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

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

// How many places a look-up reads at most in a table in which it goes on from place to place, around the end, until an
// empty one; for what is in it and what is not.
template <class Place, class IsEmpty>
size_t longest_search(const std::vector<Place>& places, IsEmpty&& is_empty) {
  size_t longest = 0, run = 0;
  for (size_t at = 0; at < 2 * places.size(); ++at) {
    run = is_empty(places[at % places.size()]) ? 0 : run + 1;
    longest = std::max(longest, run + 1);
  }
  return longest;
}

}  // namespace viaduct
