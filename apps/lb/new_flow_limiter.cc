#include "apps/lb/new_flow_limiter.h"

namespace viaduct::lb {

NewFlowLimiter::Second& NewFlowLimiter::of_prefix(const NewFlowLimits& limits, Bytes source) {
  const unsigned bits = source.size() == 4 ? limits.prefix4 : limits.prefix6;
  std::array<uint8_t, 17> prefix{static_cast<uint8_t>(source.size())};
  for (unsigned bit = 0; bit < bits; bit += 8) {
    const auto mask = static_cast<uint8_t>(bits - bit >= 8 ? 0xff : 0xff00 >> (bits - bit));
    prefix[1 + bit / 8] = source[bit / 8] & mask;
  }
  return (*prefixes_)[siphash(key_, prefix) % kPrefixes];
}

bool NewFlowLimiter::admit(const NewFlowLimits& limits, Bytes source, Instant now) {
  const auto second = static_cast<uint32_t>(now.ns() / 1'000'000'000) + 1;
  // The prefix first: what one prefix may not do is nobody else's loss.
  Second* prefix = limits.prefix_per_second > 0 ? &of_prefix(limits, source) : nullptr;
  if (prefix && prefix->in(second) >= limits.prefix_per_second) return false;
  if (limits.per_second > 0 && all_.in(second) >= limits.per_second) return false;
  if (prefix) prefix->add(second);
  all_.add(second);
  return true;
}

}  // namespace viaduct::lb
