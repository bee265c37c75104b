#include "apps/lb/health_monitor.h"

#include <utility>

namespace viaduct::lb {

void HealthMonitor::watch(const std::vector<HealthTarget>& targets, Instant now) {
  std::map<std::string, Server> servers;
  for (const HealthTarget& target : targets) {
    Server& server = servers[target.name];
    if (const auto known = servers_.find(target.name); known != servers_.end()) {
      server = known->second;
    } else {
      const auto interval = static_cast<uint64_t>(target.config.interval.ns());
      server.next = now + Duration::nanoseconds(static_cast<int64_t>(random_.below(interval)));
      server.silent_at = Instant::never();
    }
    server.config = target.config;
  }
  servers_ = std::move(servers);
}

// An interval with a tenth more or less, so that servers and balancers do not fall into step.
Duration HealthMonitor::jittered(const HealthConfig& config) {
  const int64_t fifth = config.interval.ns() / 5;
  const auto part = static_cast<int64_t>(random_.below(static_cast<uint64_t>(fifth) + 1));
  return config.interval - Duration::nanoseconds(fifth / 2) + Duration::nanoseconds(part);
}

std::vector<HealthMonitor::Question> HealthMonitor::due(Instant now) {
  std::vector<Question> questions;
  for (auto& [name, server] : servers_) {
    if (now >= server.silent_at) note(name, server, false);
    if (now < server.next || !server.silent_at.is_never()) continue;
    server.next = now + jittered(server.config);
    server.silent_at = now + server.config.timeout;
    server.token = random_.u64();
    ++server.figures.asked;
    questions.push_back({name, server.token});
  }
  return questions;
}

bool HealthMonitor::answer(uint64_t token, Instant now) {
  for (auto& [name, server] : servers_) {
    if (server.silent_at.is_never() || server.token != token || now >= server.silent_at) continue;
    note(name, server, true);
    return true;
  }
  return false;
}

void HealthMonitor::note(const std::string& name, Server& server, bool was_answered) {
  server.silent_at = Instant::never();
  ++(was_answered ? server.figures.answered : server.figures.unanswered);
  if (was_answered == server.figures.is_healthy) {
    server.in_a_row = 0;
    return;
  }
  if (++server.in_a_row < (was_answered ? server.config.rise : server.config.fall)) return;
  server.in_a_row = 0;
  server.figures.is_healthy = was_answered;
  changes_.push_back({name, was_answered});
}

std::vector<HealthMonitor::Change> HealthMonitor::take_changes() { return std::exchange(changes_, {}); }

const HealthFigures* HealthMonitor::find(const std::string& name) const {
  const auto found = servers_.find(name);
  return found == servers_.end() ? nullptr : &found->second.figures;
}

}  // namespace viaduct::lb
