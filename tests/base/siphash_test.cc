#include "base/siphash.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace viaduct {
namespace {

struct Vector {
  size_t size;
  uint64_t siphash13;
  uint64_t siphash24;
};

// Key and input 00 01 02 …, as in the vectors of the SipHash paper.
TEST(SipHash, MatchesVectors) {
  SipKey key;
  std::iota(key.begin(), key.end(), 0);
  for (const auto& [size, expected13, expected24] : {
           Vector{0, 0xabac0158050fc4dc, 0x726fdb47dd0e0e31},
           Vector{1, 0xc9f49bf37d57ca93, 0x74f839c593dc67fd},
           Vector{7, 0xd3927d989bb11140, 0xab0200f58b01d137},
           Vector{8, 0x369095118d299a8e, 0x93f5f5799a932462},
           Vector{15, 0xd320d86d2a519956, 0xa129ca6149be45e5},
           Vector{33, 0x4d54b9e57a8ff9bf, 0xa7f32346f95978e3},
       }) {
    std::vector<uint8_t> input(size);
    std::iota(input.begin(), input.end(), 0);
    EXPECT_EQ(siphash13(key, input), expected13) << size;
    EXPECT_EQ(siphash24(key, input), expected24) << size;
    EXPECT_EQ(siphash(key, input), expected13) << size;
  }
}

}  // namespace
}  // namespace viaduct
