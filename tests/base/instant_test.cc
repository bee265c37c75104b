#include "base/instant.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace viaduct {
namespace {

TEST(Instant, NeverStaysNever) {
  EXPECT_TRUE((Instant::never() + Duration::seconds(1)).is_never());
  EXPECT_TRUE((Instant::never() - Duration::seconds(1)).is_never());
  EXPECT_TRUE((Instant::from_ns(5) + Duration::infinite()).is_never());
  EXPECT_LT(Instant::from_ns(5) + Duration::seconds(1'000'000), Instant::never());
}

TEST(Instant, DifferencesAreDurations) {
  const Instant start = Instant::from_ns(1'000);
  EXPECT_EQ((start + Duration::milliseconds(3)) - start, Duration::microseconds(3'000));
  EXPECT_EQ(start - (start + Duration::milliseconds(3)), Duration::milliseconds(-3));
}

TEST(MonotonicClock, NeverGoesBack) {
  Instant last = MonotonicClock::now();
  for (int i = 0; i < 1'000; ++i) {
    const Instant now = MonotonicClock::now();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace viaduct
