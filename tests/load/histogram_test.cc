#include "apps/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace viaduct::load {
namespace {

Duration us(int64_t n) { return Duration::microseconds(n); }

TEST(Histogram, QuantilesAreWithinHalfAPercentOfTheExactOnes) {
  Random random = Random::from_seed(1);
  Histogram histogram;
  std::vector<int64_t> exact;
  for (int i = 0; i < 20'000; ++i) {
    // From nanoseconds to minutes.
    const auto ns = static_cast<int64_t>(std::pow(10.0, static_cast<double>(random.below(11'000)) / 1000));
    exact.push_back(ns);
    histogram.record(Duration::nanoseconds(ns));
  }
  std::ranges::sort(exact);
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(exact.size()))) - 1;
    const auto wanted = static_cast<double>(exact[rank]);
    EXPECT_NEAR(static_cast<double>(histogram.quantile(share).ns()), wanted, wanted * 0.005) << share;
  }
}

TEST(Histogram, OfNothingSaysNothing) {
  EXPECT_EQ(Histogram().quantile(0.5), Duration());
  EXPECT_EQ(Histogram().mean(), Duration());
  EXPECT_EQ(Histogram().corrected(us(1)).count(), 0u);
}

TEST(Histogram, NegativeAndEndlessDurationsHaveAPlace) {
  Histogram histogram;
  histogram.record(Duration::nanoseconds(-5));
  histogram.record(Duration::infinite());
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.quantile(0.5), Duration());
  EXPECT_GT(histogram.max(), Duration::seconds(1'000));
}

TEST(Histogram, AddsAndForgets) {
  Histogram a, b;
  a.record(us(1));
  b.record(us(3), 3);
  a.add(b);
  EXPECT_EQ(a.count(), 4u);
  EXPECT_NEAR(static_cast<double>(a.mean().ns()), 2500, 15);
  a.clear();
  EXPECT_EQ(a.count(), 0u);
}

// One answer of 100 ms among a thousand of 1 ms, at an interval of 1 ms: the 99 requests that were not sent meanwhile
// would have waited 99 ms, 98 ms and so on.
TEST(Histogram, CorrectionAddsTheRequestsThatWereNeverSent) {
  Histogram histogram;
  histogram.record(us(1'000), 1'000);
  histogram.record(us(100'000));
  EXPECT_LT(histogram.quantile(0.99), us(1'010));
  const Histogram corrected = histogram.corrected(us(1'000));
  EXPECT_NEAR(static_cast<double>(corrected.count()), 1'100, 1);
  EXPECT_GT(corrected.quantile(0.95), us(44'000));
  EXPECT_LT(corrected.quantile(0.95), us(47'000));
  EXPECT_EQ(corrected.max(), histogram.max());
  EXPECT_EQ(histogram.corrected(Duration()).count(), histogram.count()) << "no interval, no correction";
}

}  // namespace
}  // namespace viaduct::load
