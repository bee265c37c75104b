#include "apps/lb/overrides.h"

#include <algorithm>

namespace viaduct::lb {

void Overrides::set_state(const std::string& backend, std::optional<BackendState> state) {
  if (state) {
    states_[backend] = *state;
  } else {
    states_.erase(backend);
  }
}

void Overrides::set_healthy(const std::string& backend, bool is_healthy) {
  if (is_healthy) {
    unhealthy_.erase(backend);
  } else {
    unhealthy_.insert(backend);
  }
}

std::optional<BackendState> Overrides::state_of(const std::string& backend) const {
  const auto found = states_.find(backend);
  return found == states_.end() ? std::nullopt : std::optional(found->second);
}

void Overrides::add(const Rotation& rotation) {
  removed_.erase(rotation.config.id);
  added_[rotation.config.id] = rotation;
}

void Overrides::remove_configuration(uint8_t id) {
  added_.erase(id);
  removed_.insert(id);
}

Configuration Overrides::on(const Configuration& file) const {
  Configuration result = file;
  rotate(result);
  for (PoolConfig& pool : result.pools) set_states(pool);
  return result;
}

void Overrides::rotate(Configuration& configuration) const {
  std::erase_if(configuration.quic_lb, [&](const auto& config) { return removed_.contains(config.id); });
  for (PoolConfig& pool : configuration.pools) {
    for (BackendConfig& backend : pool.backends)
      std::erase_if(backend.server_ids, [&](const ServerId& id) { return removed_.contains(id.config_id); });
  }
  for (const auto& [id, rotation] : added_) {
    if (std::ranges::contains(configuration.quic_lb, id, &flowsteer::QuicLbConfig::id)) continue;
    configuration.quic_lb.push_back(rotation.config);
    for (PoolConfig& pool : configuration.pools) {
      for (BackendConfig& backend : pool.backends) {
        const auto server_id = rotation.server_ids.find(full_name(pool, backend));
        if (server_id != rotation.server_ids.end()) backend.server_ids.push_back({id, server_id->second});
      }
    }
  }
}

void Overrides::set_states(PoolConfig& pool) const {
  for (BackendConfig& backend : pool.backends) {
    const std::string name = full_name(pool, backend);
    if (const auto state = states_.find(name); state != states_.end()) backend.state = state->second;
    if (const auto weight = weights_.find(name); weight != weights_.end()) backend.weight = weight->second;
  }
  const bool has_one = std::ranges::any_of(pool.backends, [&](const BackendConfig& backend) {
    return backend.state == BackendState::kActive && backend.weight > 0 && is_healthy(full_name(pool, backend));
  });
  if (!has_one) return;
  for (BackendConfig& backend : pool.backends) {
    if (!is_healthy(full_name(pool, backend))) backend.state = BackendState::kDown;
  }
}

}  // namespace viaduct::lb
