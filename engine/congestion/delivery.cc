#include "engine/congestion/delivery.h"

#include <utility>

namespace viaduct::quic {

RateSample DeliveryRate::take_sample(Instant now, Duration min_rtt) {
  RateSample sample{.total_delivered = delivered_};
  if (newest_sent_.is_never()) return sample;
  sample.is_valid = true;
  sample.delivered = static_cast<uint32_t>(delivered_) - newest_.delivered;
  sample.prior_delivered = delivered_ - sample.delivered;
  sample.in_flight = newest_.in_flight;
  sample.lost = lost_since(newest_);
  sample.app_limited = newest_.app_limited;

  // The slower of sending and of acknowledging: bunched acknowledgements do not look like a fast path.
  const Duration sending = Duration::microseconds(newest_.flight_ago);
  const Duration acknowledging = now - newest_sent_ + Duration::microseconds(newest_.delivered_ago);
  const Duration interval = std::max(sending, acknowledging);
  flight_start_ = std::exchange(newest_sent_, Instant::never());
  if (interval < min_rtt || interval <= Duration()) return sample;
  sample.bytes_per_second = static_cast<double>(sample.delivered) / interval.seconds();
  return sample;
}

}  // namespace viaduct::quic
