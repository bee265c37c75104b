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
    if (now >= server.silent_at) note(name, server, "no answer");
    if (now < server.next || !server.silent_at.is_never()) continue;
    server.next = now + jittered(server.config);
    server.silent_at = now + server.config.timeout;
    server.token = random_.u64();
    ++server.figures.asked;
    questions.push_back({name, server.token, server.silent_at});
  }
  return questions;
}

bool HealthMonitor::answer(uint64_t token, Instant now) {
  const auto found = asked_with(token);
  if (!found || now >= found->second.silent_at) return false;
  note(found->first, found->second, {});
  return true;
}

bool HealthMonitor::fail(uint64_t token, const std::string& problem) {
  const auto found = asked_with(token);
  if (found) note(found->first, found->second, problem);
  return found != nullptr;
}

void HealthMonitor::withdraw(uint64_t token) {
  const auto found = asked_with(token);
  if (!found) return;
  found->second.silent_at = Instant::never();
  --found->second.figures.asked;
  ++found->second.figures.withdrawn;
}

std::pair<const std::string, HealthMonitor::Server>* HealthMonitor::asked_with(uint64_t token) {
  for (auto& entry : servers_) {
    if (!entry.second.silent_at.is_never() && entry.second.token == token) return &entry;
  }
  return nullptr;
}

// problem: empty for a good answer.
void HealthMonitor::note(const std::string& name, Server& server, const std::string& problem) {
  const bool was_answered = problem.empty();
  server.silent_at = Instant::never();
  ++(was_answered ? server.figures.answered : server.figures.unanswered);
  if (!was_answered) server.figures.problem = problem;
  if (was_answered == server.figures.is_healthy) {
    server.in_a_row = 0;
    if (was_answered) server.figures.problem.clear();
    return;
  }
  if (++server.in_a_row < (was_answered ? server.config.rise : server.config.fall)) return;
  server.in_a_row = 0;
  server.figures.is_healthy = was_answered;
  if (was_answered) server.figures.problem.clear();
  changes_.push_back({name, was_answered, problem});
}

std::vector<HealthMonitor::Change> HealthMonitor::take_changes() { return std::exchange(changes_, {}); }

const HealthFigures* HealthMonitor::find(const std::string& name) const {
  const auto found = servers_.find(name);
  return found == servers_.end() ? nullptr : &found->second.figures;
}

}  // namespace viaduct::lb
