#include "engine/wire/stateless_reset.h"

#include <gtest/gtest.h>

#include <vector>

namespace viaduct::quic {
namespace {

// RFC 9000 section 10.3.3: two endpoints without state must fall silent.
// proves RFC 9000 10.3-4 10.3-5 10.3.3-1
TEST(StatelessReset, IsShorterThanWhatItAnswers) {
  for (size_t trigger = 0; trigger <= 1500; ++trigger) {
    const size_t size = stateless_reset_size(trigger);
    if (trigger <= kMinStatelessReset) {
      EXPECT_EQ(size, 0u);
    } else {
      EXPECT_GE(size, kMinStatelessReset);
      EXPECT_LT(size, trigger);
    }
  }
}

// proves RFC 9000 10.3-2 10.3-7
TEST(StatelessReset, LooksLikeAShortHeaderAndEndsInItsToken) {
  StatelessResetToken token;
  token.fill(0x77);
  for (const uint8_t random : {0x00, 0xff}) {
    std::vector<uint8_t> packet(kMinStatelessReset, random);
    write_stateless_reset(packet, token);
    EXPECT_EQ(packet[0] & 0xc0, 0x40);
    EXPECT_EQ(packet[1], random);
    EXPECT_TRUE(equal(stateless_reset_token_of(packet), token));
    EXPECT_TRUE(stateless_reset_token_of(Bytes(packet).first(packet.size() - 1)).empty());
  }
}

}  // namespace
}  // namespace viaduct::quic
