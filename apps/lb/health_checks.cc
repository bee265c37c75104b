#include "apps/lb/health_checks.h"

#include <algorithm>
#include <format>

#include "base/log.h"

namespace viaduct::lb {

void HealthChecks::tend() {
  follow_routing();
  for (HealthChannel* channel : channels_)
    channel->take_answers([this](uint64_t token) { monitor_.answer(token, target_.now()); });
  ask();
  report();
}

namespace {

uint16_t slot_of(const RoutingSnapshot& routing, const std::string& name) {
  const auto backend = std::ranges::find(routing.backends(), name, &Backend::name);
  return backend == routing.backends().end() ? kNoSlot : static_cast<uint16_t>(backend - routing.backends().begin());
}

}  // namespace

// Who is asked: every server that the file and operators do not keep down, if there is a way to ask it.
void HealthChecks::follow_routing() {
  const RoutingSnapshot& routing = target_.routing();
  if (routing.serial() == serial_) return;
  serial_ = routing.serial();
  std::vector<HealthTarget> targets;
  for (const PoolConfig& pool : controller_.file().pools) {
    if (!pool.health) continue;
    for (const BackendConfig& backend : pool.backends) {
      const std::string name = full_name(pool, backend);
      const BackendState state = controller_.overrides().state_of(name).value_or(backend.state);
      if (state != BackendState::kDown && probe_for(routing, slot_of(routing, name), 0))
        targets.push_back({name, *pool.health});
    }
  }
  monitor_.watch(targets, target_.now());
}

void HealthChecks::ask() {
  const RoutingSnapshot& routing = target_.routing();
  bool has_asked = false;
  for (const HealthMonitor::Question& question : monitor_.due(target_.now())) {
    const auto probe = probe_for(routing, slot_of(routing, question.name), question.token);
    has_asked |= probe && channels_.front()->ask(*probe);
  }
  if (has_asked) nudge_();
}

void HealthChecks::report() {
  for (const HealthMonitor::Change& change : monitor_.take_changes()) {
    log_info("health", std::format("{} {}", change.name, change.is_healthy ? "answers again" : "does not answer"));
    for (const std::string& error : controller_.set_healthy(change.name, change.is_healthy)) log_error("health", error);
  }
}

}  // namespace viaduct::lb
