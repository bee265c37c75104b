// What a client remembers of its servers.
#include "engine/endpoint/server_memory.h"

#include <gtest/gtest.h>

#include "engine/wire/version.h"

namespace viaduct::quic::test {
namespace {

using Octets = std::vector<uint8_t>;

TEST(ServerMemory, GivesEachThingOnce) {
  ServerMemory memory;
  memory.keep_token("a.test", kVersion1, Octets{1, 2});
  memory.keep_session("a.test", kVersion1, Octets{3});
  EXPECT_EQ(memory.take_token("a.test", kVersion1), (Octets{1, 2}));
  EXPECT_TRUE(memory.take_token("a.test", kVersion1).empty());
  EXPECT_TRUE(memory.has_session("a.test"));
  EXPECT_FALSE(memory.has_session("b.test"));
  EXPECT_EQ(memory.take_session("a.test", kVersion1), Octets{3});
  EXPECT_TRUE(memory.take_session("a.test", kVersion1).empty());
  EXPECT_FALSE(memory.has_session("a.test"));
}

// RFC 9369 section 5.
// proves RFC 9000 8.1.3-7
TEST(ServerMemory, TellsNamesAndVersionsApart) {
  ServerMemory memory;
  memory.keep_token("a.test", kVersion1, Octets{1});
  EXPECT_TRUE(memory.take_token("b.test", kVersion1).empty());
  EXPECT_TRUE(memory.take_token("a.test", kVersion2).empty());
  EXPECT_EQ(memory.take_token("a.test", kVersion1), Octets{1});
}

TEST(ServerMemory, KeepsTheNewest) {
  ServerMemory memory;
  memory.keep_token("a.test", kVersion1, Octets{1});
  memory.keep_token("a.test", kVersion1, Octets{2});
  EXPECT_EQ(memory.servers(), 1u);
  EXPECT_EQ(memory.take_token("a.test", kVersion1), Octets{2});
}

TEST(ServerMemory, ForgetsWhoWasHeardOfLongestAgo) {
  ServerMemory memory(2);
  memory.keep_token("a.test", kVersion1, Octets{1});
  memory.keep_token("b.test", kVersion1, Octets{2});
  memory.keep_session("a.test", kVersion1, Octets{3});
  memory.keep_token("c.test", kVersion1, Octets{4});
  EXPECT_EQ(memory.servers(), 2u);
  EXPECT_TRUE(memory.take_token("b.test", kVersion1).empty());
  EXPECT_EQ(memory.take_token("a.test", kVersion1), Octets{1});
  EXPECT_EQ(memory.take_token("c.test", kVersion1), Octets{4});
}

TEST(ServerMemory, KeepsNothingThatIsTooLarge) {
  ServerMemory memory;
  memory.keep_token("a.test", kVersion1, Octets(ServerMemory::kMaxToken + 1));
  memory.keep_session("a.test", kVersion1, Octets(ServerMemory::kMaxSession + 1));
  EXPECT_EQ(memory.servers(), 0u);
}

}  // namespace
}  // namespace viaduct::quic::test
