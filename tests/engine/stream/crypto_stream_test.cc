#include "engine/stream/crypto_stream.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/stream/pattern.h"

namespace viaduct::quic {
namespace {

struct ReceivingCrypto {
  FrameOutcome receive(uint64_t offset, size_t size) {
    const auto data = pattern(offset, size);
    return stream.on_frame({.offset = offset, .data = data});
  }
  size_t deliver() {
    size_t count = 0;
    stream.deliver([&](Bytes bytes) {
      EXPECT_TRUE(is_pattern(delivered, bytes));
      delivered += bytes.size();
      count += bytes.size();
    });
    return count;
  }

  ReceiveStore store{64, 1};
  RangePool ranges{16};
  CryptoStream stream{store, ranges};
  uint64_t delivered = 0;
};

TEST(CryptoStream, DeliversInOrderAndKeepsNothing) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.receive(1000, 3000).is_ok());
  EXPECT_TRUE(f.stream.has_gap());
  EXPECT_EQ(f.deliver(), 0u);
  EXPECT_TRUE(f.receive(0, 1000).is_ok());
  EXPECT_FALSE(f.stream.has_gap());
  EXPECT_EQ(f.deliver(), 4000u);
  EXPECT_EQ(f.store.use().used(), 0u);
}

// RFC 9000 section 7.5.
// proves RFC 9000 7.5-1 7.5-2
TEST(CryptoStream, BoundsWhatComesAhead) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.receive(CryptoStream::kHandshakeLimit - 10, 10).is_ok());
  EXPECT_EQ(f.receive(CryptoStream::kHandshakeLimit - 9, 10).error.code, ErrorCode::kCryptoBufferExceeded);
  f.stream.set_limit(CryptoStream::kLateLimit);
  EXPECT_EQ(f.receive(CryptoStream::kLateLimit, 1).error.code, ErrorCode::kCryptoBufferExceeded);
  EXPECT_TRUE(f.receive(0, 100).is_ok());
  EXPECT_EQ(f.deliver(), 100u);
  EXPECT_TRUE(f.receive(CryptoStream::kLateLimit, 1).is_ok());
}

// RFC 9001 section 4.1.3.
// proves RFC 9001 4.1.3-1 4.1.3-2
TEST(CryptoStream, TakesNothingNewOnceItsLevelHasEnded) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.receive(0, 1000).is_ok());
  EXPECT_EQ(f.deliver(), 1000u);
  EXPECT_FALSE(f.stream.end_receiving());
  EXPECT_TRUE(f.receive(500, 500).is_ok()) << "what is sent again";
  EXPECT_EQ(f.receive(500, 501).error.code, ErrorCode::kProtocolViolation);
}

// proves RFC 9001 4.1.3-3
TEST(CryptoStream, MayNotEndWithBytesLeftOver) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.receive(0, 1000).is_ok());
  EXPECT_TRUE(f.receive(1100, 10).is_ok());
  EXPECT_EQ(f.deliver(), 1000u);
  EXPECT_EQ(f.stream.end_receiving().code, ErrorCode::kProtocolViolation);
}

TEST(CryptoStream, SendsItsOwnCopyUntilAcknowledged) {
  ReceivingCrypto f;
  ASSERT_TRUE(f.stream.append(pattern(0, 1500)));
  ASSERT_TRUE(f.stream.append(pattern(1500, 1000)));
  const CryptoSpan first = f.stream.next(1200);
  EXPECT_TRUE(first.offset == 0 && first.data.size() == 1200 && is_pattern(0, first.data));
  EXPECT_EQ(f.stream.next_offset(), 1200u);
  EXPECT_EQ(f.stream.next(10'000).data.size(), 1300u);
  EXPECT_FALSE(f.stream.has_next());
  f.stream.on_acked(1200, 1300);
  f.stream.on_lost(0, 1200);
  const CryptoSpan again = f.stream.next(10'000);
  EXPECT_TRUE(again.offset == 0 && again.data.size() == 1200 && is_pattern(0, again.data));
  EXPECT_FALSE(f.stream.is_all_acked());
  f.stream.on_acked(0, 1200);
  EXPECT_TRUE(f.stream.is_all_acked());

  ASSERT_TRUE(f.stream.append(pattern(2500, 100)));
  const CryptoSpan ticket = f.stream.next(10'000);
  EXPECT_TRUE(ticket.offset == 2500 && is_pattern(2500, ticket.data));
}

TEST(CryptoStream, BoundsWhatIsUnacknowledged) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.stream.append(pattern(0, CryptoStream::kHandshakeLimit)));
  EXPECT_FALSE(f.stream.append(pattern(0, 1)));
  f.stream.next(10);
  f.stream.on_acked(0, 10);
  EXPECT_TRUE(f.stream.append(pattern(0, 10)));
}

TEST(CryptoStream, SendsNothingOnceItsKeysAreGone) {
  ReceivingCrypto f;
  EXPECT_TRUE(f.receive(100, 10).is_ok());
  ASSERT_TRUE(f.stream.append(pattern(0, 1000)));
  const CryptoSpan sent = f.stream.next(500);
  f.stream.clear();
  EXPECT_FALSE(f.stream.has_next());
  f.stream.on_lost(sent.offset, 500);
  f.stream.on_acked(sent.offset, 500);
  EXPECT_FALSE(f.stream.has_next());
  EXPECT_EQ(f.store.use().used(), 0u);
  EXPECT_EQ(f.ranges.used(), 0u);
}

}  // namespace
}  // namespace viaduct::quic
