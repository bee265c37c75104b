#include "apps/lb/controller.h"

#include <algorithm>
#include <format>
#include <map>

namespace viaduct::lb {
namespace {

// Backends' shares of the new flows of a pool, by slot.
std::map<uint16_t, double> shares_of(const Pool& pool) {
  std::map<uint16_t, double> shares;
  const auto places = pool.maglev.places();
  for (const uint16_t slot : places) {
    if (slot != flowsteer::MaglevTable::kNobody) shares[slot] += 1.0 / static_cast<double>(places.size());
  }
  return shares;
}

MovePlan::Pool compare(const Pool& before, const RoutingSnapshot& old, const Pool& after, const RoutingSnapshot& next) {
  MovePlan::Pool plan{.name = after.name, .moved = after.maglev.moved_from(before.maglev), .backends = {}};
  const auto was = shares_of(before), is = shares_of(after);
  const std::string prefix = after.name + "/";
  for (uint16_t slot = 0; slot < std::max(old.backends().size(), next.backends().size()); ++slot) {
    const bool was_known = slot < old.backends().size() && old.backend(slot).name.starts_with(prefix);
    const bool is_known = slot < next.backends().size() && next.backend(slot).name.starts_with(prefix);
    if (!was_known && !is_known) continue;
    const auto share = [slot](const auto& shares) { return shares.contains(slot) ? shares.at(slot) : 0.0; };
    plan.backends.push_back({.name = is_known ? next.backend(slot).name : old.backend(slot).name,
                             .before = share(was),
                             .after = share(is),
                             .loses_connections = old.is_usable(slot) && !next.is_usable(slot)});
  }
  return plan;
}

}  // namespace

MovePlan compare(const RoutingSnapshot& before, const RoutingSnapshot& after) {
  MovePlan plan;
  for (const Pool& pool : after.pools()) {
    const auto old = std::ranges::find(before.pools(), pool.name, &Pool::name);
    if (old != before.pools().end()) plan.pools.push_back(compare(*old, before, pool, after));
  }
  return plan;
}

Errors Controller::unknown_backend(const std::string& name) const {
  for (const PoolConfig& pool : file_.pools) {
    for (const BackendConfig& backend : pool.backends) {
      if (full_name(pool, backend) == name) return {};
    }
  }
  return {std::format("there is no backend '{}'; expected POOL/NAME, as 'show backends' lists them", name)};
}

Errors Controller::change(const Overrides& overrides) {
  Errors errors = target_.apply(overrides.on(file_));
  if (errors.empty()) overrides_ = overrides;
  return errors;
}

std::expected<MovePlan, Errors> Controller::plan(const Configuration& wanted) const {
  const auto next = target_.preview(wanted);
  if (!next) return std::unexpected(next.error());
  return compare(target_.routing(), **next);
}

Errors Controller::replace_file(const Configuration& file) {
  Errors errors = target_.apply(overrides_.on(file));
  if (!errors.empty()) return errors;
  file_ = file;
  ++reloads_;
  return {};
}

std::expected<MovePlan, Errors> Controller::plan_file(const Configuration& file) const {
  return plan(overrides_.on(file));
}

Errors Controller::set_state(const std::string& backend, std::optional<BackendState> state) {
  if (Errors errors = unknown_backend(backend); !errors.empty()) return errors;
  Overrides changed = overrides_;
  changed.set_state(backend, state);
  return change(changed);
}

std::expected<MovePlan, Errors> Controller::plan_state(const std::string& backend,
                                                       std::optional<BackendState> state) const {
  if (Errors errors = unknown_backend(backend); !errors.empty()) return std::unexpected(errors);
  Overrides changed = overrides_;
  changed.set_state(backend, state);
  return plan(changed.on(file_));
}

Errors Controller::set_weight(const std::string& backend, uint32_t weight) {
  if (Errors errors = unknown_backend(backend); !errors.empty()) return errors;
  Overrides changed = overrides_;
  changed.set_weight(backend, weight);
  return change(changed);
}

std::expected<MovePlan, Errors> Controller::plan_weight(const std::string& backend, uint32_t weight) const {
  if (Errors errors = unknown_backend(backend); !errors.empty()) return std::unexpected(errors);
  Overrides changed = overrides_;
  changed.set_weight(backend, weight);
  return plan(changed.on(file_));
}

Errors Controller::rotate(const Rotation& rotation) {
  const Configuration now = wanted();
  if (std::ranges::contains(now.quic_lb, rotation.config.id, &flowsteer::QuicLbConfig::id))
    return {std::format("configuration {} is in use; a new one needs an id of its own", rotation.config.id)};
  for (const auto& [backend, id] : rotation.server_ids) {
    if (Errors errors = unknown_backend(backend); !errors.empty()) return errors;
  }
  Overrides changed = overrides_;
  changed.add(rotation);
  return change(changed);
}

Errors Controller::remove_configuration(uint8_t id) {
  const Configuration now = wanted();
  if (!std::ranges::contains(now.quic_lb, id, &flowsteer::QuicLbConfig::id))
    return {std::format("there is no configuration {}", id)};
  Overrides changed = overrides_;
  changed.remove_configuration(id);
  return change(changed);
}

Errors Controller::set_healthy(const std::string& backend, bool is_healthy) {
  if (overrides_.is_healthy(backend) == is_healthy) return {};
  Overrides changed = overrides_;
  changed.set_healthy(backend, is_healthy);
  return change(changed);
}

}  // namespace viaduct::lb
