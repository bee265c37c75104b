#include "engine/stream/flow_control.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "tests/support/instants.h"

namespace viaduct::quic {
namespace {

constexpr Duration kRtt = Duration::milliseconds(50);

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

// A sender and a receiver that hear of each other late or not at all, beside what both may have done at most.
TEST(FlowControl, ASenderNeverExceedsWhatWasGiven) {
  EXPECT_TRUE(rc::check([] {
    const uint64_t first = *rc::gen::inRange<uint64_t>(0, 2'000);
    const uint64_t most = *rc::gen::inRange<uint64_t>(first, 5'000);
    ReceiveWindow receiver(first, most);
    SendWindow sender(first);
    uint64_t sent = 0, received = 0, consumed = 0, told = first, heard = first, blocked_at = ~uint64_t{0};
    Instant now = at_ms(1'000);
    const int operations = *rc::gen::inRange(1, 80);
    for (int i = 0; i < operations; ++i) {
      now = now + Duration::milliseconds(*rc::gen::inRange(0, 200));
      switch (*rc::gen::inRange(0, 5)) {
        case 0: {
          RC_ASSERT(sender.available() == heard - sent);
          const uint64_t count = *rc::gen::inRange<uint64_t>(0, sender.available() + 1);
          sender.use(count);
          sent += count;
          break;
        }
        case 1: {
          const uint64_t count = *rc::gen::inRange<uint64_t>(0, sent - received + 1);
          RC_ASSERT_FALSE(receiver.exceeds(count));
          receiver.receive(count);
          received += count;
          break;
        }
        case 2: {
          const uint64_t count = *rc::gen::inRange<uint64_t>(0, received - consumed + 1);
          receiver.consume(count);
          consumed += count;
          break;
        }
        case 3: {
          if (!receiver.wants_update()) {
            RC_ASSERT(first == 0 || told - consumed > receiver.window() / 2);
            break;
          }
          const uint64_t limit = receiver.update(now, kRtt);
          RC_ASSERT(limit >= told);
          RC_ASSERT(limit == std::max(told, consumed + receiver.window()));
          RC_ASSERT(receiver.window() <= std::max(first, most));
          told = limit;
          break;
        }
        default: {
          // MAX_DATA frames come late, twice and out of order.
          const uint64_t limit = *rc::gen::element(told, first, heard);
          RC_ASSERT(sender.raise(limit) == (limit > heard));
          heard = std::max(heard, limit);
          const bool newly_blocked = heard == sent && blocked_at != heard;
          RC_ASSERT(sender.take_blocked() == newly_blocked);
          if (newly_blocked) blocked_at = heard;
        }
      }
      RC_ASSERT(receiver.exceeds(told - received + 1));
    }
  }));
}

}  // namespace
}  // namespace viaduct::quic
