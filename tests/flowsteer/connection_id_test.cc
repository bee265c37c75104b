#include "flowsteer/connection_id.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::flowsteer {
namespace {

TEST(ConnectionId, IsAValueOfUpToTwentyBytes) {
  const std::vector<uint8_t> bytes(20, 7);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const ConnectionId id(Bytes(bytes.data(), size));
    EXPECT_EQ(id.size(), size);
    EXPECT_TRUE(equal(id.bytes(), Bytes(bytes.data(), size)));
    EXPECT_EQ(id.empty(), size == 0);
  }
}

TEST(ConnectionId, DiffersByLengthAloneToo) {
  const uint8_t zeros[4] = {};
  EXPECT_NE(ConnectionId(Bytes(zeros, 3)), ConnectionId(Bytes(zeros, 4)));
  EXPECT_EQ(ConnectionId(Bytes(zeros, 3)), ConnectionId(Bytes(zeros, 3)));
  const SipKey key{1};
  EXPECT_NE(ConnectionId(Bytes(zeros, 3)).hash(key), ConnectionId(Bytes(zeros, 4)).hash(key));
}

TEST(ConnectionId, HashDependsOnTheKey) {
  const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const ConnectionId id(bytes);
  EXPECT_EQ(id.hash(SipKey{1}), ConnectionId(bytes).hash(SipKey{1}));
  EXPECT_NE(id.hash(SipKey{1}), id.hash(SipKey{2}));
}

}  // namespace
}  // namespace viaduct::flowsteer
