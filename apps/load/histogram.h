// Latencies, counted in buckets of bounded relative width (as in HdrHistogram).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/instant.h"

namespace viaduct::load {

// Any duration from 0 to about 18 minutes, to within 0.4 %; longer ones count as that. One thread.
class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void record(Duration duration, uint64_t times = 1) {
    const uint64_t ns = static_cast<uint64_t>(std::max<int64_t>(duration.ns(), 0));
    counts_[bucket_of(ns)] += times;
    count_ += times;
  }
  void add(const Histogram& other);
  void clear();

  uint64_t count() const { return count_; }
  // The duration that a share of all (0 to 1) did not exceed; nothing where nothing was recorded.
  Duration quantile(double share) const;
  Duration mean() const;
  Duration max() const { return quantile(1); }

  // What would have been recorded had requests gone on being sent at `interval` while one was late: to each duration
  // longer than it belong those, shorter by one interval each, that were never sent for waiting (coordinated omission).
  Histogram corrected(Duration interval) const;

 private:
  static constexpr unsigned kPrecisionBits = 8;  // buckets for each power of two: 1/256 is 0.4 %
  static constexpr unsigned kLargestBits = 40;   // 2^40 ns
  static constexpr size_t kPerPower = size_t{1} << kPrecisionBits;
  static constexpr size_t kBuckets = (kLargestBits - kPrecisionBits + 1) * kPerPower;

  static size_t bucket_of(uint64_t ns) {
    if (ns < kPerPower) return static_cast<size_t>(ns);
    const unsigned power = static_cast<unsigned>(std::bit_width(ns)) - 1;
    if (power >= kLargestBits) return kBuckets - 1;
    return (power - kPrecisionBits) * kPerPower + static_cast<size_t>(ns >> (power - kPrecisionBits));
  }
  // The middle of a bucket.
  static uint64_t value_of(size_t bucket);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
};

}  // namespace viaduct::load
