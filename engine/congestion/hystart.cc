#include "engine/congestion/hystart.h"

#include <algorithm>

namespace viaduct::quic {

namespace {
// RFC 9406 section 4.3. Its limit L is infinite, because packets are paced.
constexpr Duration kMinThreshold = Duration::milliseconds(4);
constexpr Duration kMaxThreshold = Duration::milliseconds(16);
constexpr int64_t kThresholdDivisor = 8;
constexpr uint32_t kSamples = 8;
constexpr uint32_t kConservativeRounds = 5;
}  // namespace

HyStart::Advice HyStart::on_ack(const AckSample& sample) {
  if (sample.latest_sent >= round_start_) begin_round(sample.now);
  if (conservative_ && conservative_rounds_ > kConservativeRounds) return Advice::kExit;
  if (sample.latest_rtt > Duration()) take_sample(sample.latest_rtt);
  return conservative_ ? Advice::kConservative : Advice::kGrow;
}

void HyStart::begin_round(Instant now) {
  round_start_ = now;
  last_round_min_ = round_min_;
  round_min_ = Duration::infinite();
  samples_ = 0;
  if (conservative_) ++conservative_rounds_;
}

void HyStart::take_sample(Duration rtt) {
  round_min_ = std::min(round_min_, rtt);
  if (++samples_ < kSamples) return;
  if (conservative_) {
    if (round_min_ < baseline_) conservative_ = false;  // the rise was not a queue
    return;
  }
  if (last_round_min_ == Duration::infinite()) return;
  if (round_min_ < last_round_min_ + std::clamp(last_round_min_ / kThresholdDivisor, kMinThreshold, kMaxThreshold)) {
    return;
  }
  conservative_ = true;
  conservative_rounds_ = 0;
  baseline_ = round_min_;
}

}  // namespace viaduct::quic
