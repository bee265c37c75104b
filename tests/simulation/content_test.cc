#include "tests/simulation/content.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::sim {
namespace {

TEST(Content, IsTheSameInAnyPieces) {
  const Content content(4, Sender::kServer);
  std::vector<uint8_t> all;
  for (uint64_t position = 0; position < 200'000; position += 1'000) {
    const auto part = Content::chunk().bytes().subspan(content.offset(position), 1'000);
    all.insert(all.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(content.matches(0, all));
  EXPECT_TRUE(content.matches(77, Bytes(all).subspan(77)));
}

TEST(Content, DiffersByStreamDirectionAndPosition) {
  const Content content(4, Sender::kServer);
  const auto part = Content::chunk().bytes().subspan(content.offset(10), 8);
  EXPECT_TRUE(content.matches(10, part));
  EXPECT_FALSE(content.matches(11, part));
  EXPECT_FALSE(Content(0, Sender::kServer).matches(10, part));
  EXPECT_FALSE(Content(4, Sender::kClient).matches(10, part));
}

}  // namespace
}  // namespace viaduct::sim
