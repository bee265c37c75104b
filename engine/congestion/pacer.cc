#include "engine/congestion/pacer.h"

#include <algorithm>
#include <cmath>

namespace viaduct::quic {

namespace {
constexpr Duration kWakeTime = Duration::microseconds(100);  // worth of bytes that is waited for
}

void Pacer::set_rate(uint64_t window, Duration smoothed_rtt, bool slow_start, Instant now) {
  const double gain = slow_start ? 2.0 : 1.25;
  change_rate(gain * static_cast<double>(window) / static_cast<double>(smoothed_rtt.ns()), now);
}

void Pacer::set_bytes_per_second(double rate, Instant now) { change_rate(rate / 1e9, now); }

void Pacer::change_rate(double bytes_per_ns, Instant now) {
  const bool first = bytes_per_ns_ == 0;
  credit_ = credit_at(now);
  filled_ = std::max(filled_, now);
  bytes_per_ns_ = bytes_per_ns;
  if (first) credit_ = capacity();
}

void Pacer::on_sent(uint64_t bytes, Instant now) {
  if (bytes_per_ns_ == 0) return;
  credit_ = credit_at(now) - static_cast<double>(bytes);
  filled_ = std::max(filled_, now);
}

Instant Pacer::next_send_time(Instant now) const {
  if (may_send(now)) return now;
  const double wanted =
      std::max(static_cast<double>(max_datagram_size_), bytes_per_ns_ * static_cast<double>(kWakeTime.ns()));
  return now + Duration::nanoseconds(static_cast<int64_t>(std::ceil((wanted - credit_at(now)) / bytes_per_ns_)));
}

double Pacer::capacity() const {
  const auto packets = static_cast<double>(kBurstPackets * max_datagram_size_);
  return std::max(packets, bytes_per_ns_ * static_cast<double>(kBurstTime.ns()));
}

double Pacer::credit_at(Instant now) const {
  const double elapsed = static_cast<double>(std::max((now - filled_).ns(), int64_t{0}));
  return std::min(credit_ + elapsed * bytes_per_ns_, capacity());
}

}  // namespace viaduct::quic
