#include "tools/impair/rebinding.h"

#include <algorithm>

namespace viaduct::impair {

void Rebinding::rebind(bool address) {
  is_active_ = true;
  flows_.clear();
  if (!address) return;
  // Hosts of a test's network have low numbers; the second half is the translator's.
  uint8_t host = host_;
  while (host == host_) host = static_cast<uint8_t>(128 + random_.below(126));
  host_ = host;
  changes_address_ = true;
}

SocketAddress Rebinding::outward(const SocketAddress& inside) {
  if (!is_active_) return inside;
  const auto known = std::ranges::find(flows_, inside, &Flow::inside);
  if (known != flows_.end()) return known->outside;
  if (flows_.size() == kMaxFlows) flows_.pop_front();
  SocketAddress outside = draw(inside);
  while (outside == inside || std::ranges::find(flows_, outside, &Flow::outside) != flows_.end())
    outside = draw(inside);
  flows_.push_back({inside, outside});
  return outside;
}

std::optional<SocketAddress> Rebinding::inward(const SocketAddress& outside) const {
  if (!is_active_) return outside;
  const auto known = std::ranges::find(flows_, outside, &Flow::outside);
  if (known == flows_.end()) return std::nullopt;
  return known->inside;
}

SocketAddress Rebinding::draw(SocketAddress inside) {
  if (changes_address_) inside.ip.bytes.back() = host_;
  inside.port = static_cast<uint16_t>(1024 + random_.below(65536 - 1024));
  return inside;
}

}  // namespace viaduct::impair
