#include "crypto-offload/aead_limits.h"

#include <gtest/gtest.h>

namespace viaduct::crypto {
namespace {

// RFC 9001 section 6.6.
TEST(AeadLimits, AreThoseOfTheRfc) {
  for (const Aead gcm : {Aead::kAes128Gcm, Aead::kAes256Gcm}) {
    EXPECT_EQ(AeadLimits::confidentiality_limit(gcm), 8388608u);
    EXPECT_EQ(AeadLimits::integrity_limit(gcm), 4503599627370496u);
  }
  EXPECT_GE(AeadLimits::confidentiality_limit(Aead::kChaCha20Poly1305), uint64_t{1} << 62);
  EXPECT_EQ(AeadLimits::integrity_limit(Aead::kChaCha20Poly1305), 68719476736u);
}

TEST(AeadLimits, AskForAnUpdateBeforeTheyAreReached) {
  AeadLimits limits(800, 3);
  for (int i = 1; i < 700; ++i) ASSERT_EQ(limits.sealed(), KeyAction::kNone) << i;
  for (int i = 700; i < 800; ++i) ASSERT_EQ(limits.sealed(), KeyAction::kUpdate) << i;
  EXPECT_EQ(limits.sealed(), KeyAction::kClose);
}

TEST(AeadLimits, StartAgainWithNewKeys) {
  AeadLimits limits(800, 3);
  for (int i = 0; i < 750; ++i) limits.sealed();
  limits.updated();
  EXPECT_EQ(limits.sealed(), KeyAction::kNone);
}

// Failures count over all keys of a connection.
// proves RFC 9001 6.6-6
TEST(AeadLimits, KeepCountingFailuresAcrossUpdates) {
  AeadLimits limits(800, 3);
  EXPECT_EQ(limits.failed(), KeyAction::kNone);
  limits.updated();
  EXPECT_EQ(limits.failed(), KeyAction::kNone);
  EXPECT_EQ(limits.failed(), KeyAction::kClose);
}

}  // namespace
}  // namespace viaduct::crypto
