#include "apps/lb/slow_start.h"

#include <algorithm>

namespace viaduct::lb {
namespace {

// Long enough ago for every slow start to be over.
constexpr Instant kLongAgo = Instant::from_ns(-1'000'000'000'000'000);

}  // namespace

void SlowStart::note(const Configuration& configuration, Instant now) {
  std::map<std::string, Instant> active;
  next_change_ = Instant::never();
  for (const PoolConfig& pool : configuration.pools) {
    for (const BackendConfig& backend : pool.backends) {
      if (backend.state != BackendState::kActive) continue;
      const auto before = active_since_.find(name_of(pool, backend));
      const Instant since = before != active_since_.end() ? before->second : is_first_ ? kLongAgo : now;
      active[name_of(pool, backend)] = since;
      if (now - since < pool.slow_start) next_change_ = now + kStep;
    }
  }
  active_since_ = std::move(active);
  is_first_ = false;
}

Configuration SlowStart::weighted(const Configuration& configuration, Instant now) const {
  Configuration result = configuration;
  for (PoolConfig& pool : result.pools) {
    for (BackendConfig& backend : pool.backends) {
      const auto since = active_since_.find(name_of(pool, backend));
      if (since == active_since_.end() || backend.weight == 0) continue;
      const Duration age = now - since->second;
      if (age >= pool.slow_start) continue;
      const double part = static_cast<double>(age.ns()) / static_cast<double>(pool.slow_start.ns());
      backend.weight = std::max(1u, static_cast<uint32_t>(backend.weight * part));
    }
  }
  return result;
}

}  // namespace viaduct::lb
