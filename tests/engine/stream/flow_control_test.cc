#include "engine/stream/flow_control.h"

#include <gtest/gtest.h>

namespace viaduct::quic {
namespace {

constexpr Duration kRtt = Duration::milliseconds(50);
Instant at_ms(int64_t ms) { return Instant::from_ns(ms * 1'000'000); }

// proves RFC 9000 4.2-1
TEST(ReceiveWindow, TellsOfRoomWellBeforeThePeerMustStop) {
  ReceiveWindow window(1000, 1000);
  EXPECT_FALSE(window.exceeds(1000));
  EXPECT_TRUE(window.exceeds(1001));
  window.receive(600);
  EXPECT_TRUE(window.exceeds(401));
  EXPECT_FALSE(window.wants_update());
  window.consume(499);
  EXPECT_FALSE(window.wants_update());
  window.consume(1);
  EXPECT_TRUE(window.wants_update());
  EXPECT_EQ(window.update(at_ms(0), kRtt), 1500u);
  EXPECT_FALSE(window.wants_update());
  EXPECT_FALSE(window.exceeds(900));
}

TEST(ReceiveWindow, GrowsForAPeerThatFillsItWithinTwoRoundTrips) {
  ReceiveWindow window(1000, 3000);
  const auto use = [&window](int64_t ms) {
    const uint64_t count = window.limit() - window.received();
    window.receive(count);
    window.consume(count);
    window.update(at_ms(ms), kRtt);
    return window.window();
  };
  EXPECT_EQ(use(0), 1000u);
  EXPECT_EQ(use(100), 1000u) << "two round trips";
  EXPECT_EQ(use(199), 2000u);
  EXPECT_EQ(use(210), 3000u) << "the maximum";
  EXPECT_EQ(use(220), 3000u);
}

TEST(ReceiveWindow, OfNothingIsNeverTold) {
  ReceiveWindow window(0, 0);
  EXPECT_TRUE(window.exceeds(1));
  EXPECT_FALSE(window.wants_update());
}

TEST(ReceiveWindow, StaysWithinAVarint) {
  ReceiveWindow window(kMaxVarint, kMaxVarint);
  window.receive(kMaxVarint / 2 + 10);
  window.consume(kMaxVarint / 2 + 10);
  EXPECT_EQ(window.update(at_ms(0), kRtt), kMaxVarint);
}

// RFC 9000 section 4.1.
// proves RFC 9000 4.1-3 13.3-5
TEST(SendWindow, IgnoresLowerLimitsAndTellsOnceThatItBlocks) {
  SendWindow window(100);
  EXPECT_FALSE(window.take_blocked());
  window.use(100);
  EXPECT_EQ(window.available(), 0u);
  EXPECT_TRUE(window.take_blocked());
  EXPECT_FALSE(window.take_blocked());
  EXPECT_FALSE(window.raise(100));
  EXPECT_FALSE(window.raise(50));
  EXPECT_TRUE(window.raise(150));
  EXPECT_EQ(window.available(), 50u);
  EXPECT_FALSE(window.take_blocked());
  window.use(50);
  EXPECT_TRUE(window.take_blocked());
}

}  // namespace
}  // namespace viaduct::quic
