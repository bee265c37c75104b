#include "apps/load/histogram.h"

#include <algorithm>
#include <cmath>

namespace viaduct::load {

uint64_t Histogram::value_of(size_t bucket) {
  if (bucket < 2 * kPerPower) return bucket;
  const size_t shift = bucket / kPerPower - 1;
  const uint64_t low = static_cast<uint64_t>(bucket % kPerPower + kPerPower) << shift;
  return low + (uint64_t{1} << shift) / 2;
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
}

void Histogram::clear() {
  std::ranges::fill(counts_, 0);
  count_ = 0;
}

Duration Histogram::quantile(double share) const {
  if (count_ == 0) return {};
  const uint64_t wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return Duration::nanoseconds(static_cast<int64_t>(value_of(i)));
  }
  return Duration::nanoseconds(static_cast<int64_t>(value_of(kBuckets - 1)));
}

Duration Histogram::mean() const {
  if (count_ == 0) return {};
  double sum = 0;
  for (size_t i = 0; i < kBuckets; ++i) sum += static_cast<double>(counts_[i]) * static_cast<double>(value_of(i));
  return Duration::nanoseconds(static_cast<int64_t>(sum / static_cast<double>(count_)));
}

Histogram Histogram::corrected(Duration interval) const {
  Histogram whole;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    const Duration recorded = Duration::nanoseconds(static_cast<int64_t>(value_of(i)));
    whole.record(recorded, counts_[i]);
    if (interval <= Duration()) continue;
    for (Duration missing = recorded - interval; missing >= interval; missing = missing - interval)
      whole.record(missing, counts_[i]);
  }
  return whole;
}

}  // namespace viaduct::load
