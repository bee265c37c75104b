#include "apps/lb/health_checks.h"

#include <algorithm>
#include <format>

#include "base/log.h"

namespace viaduct::lb {
namespace {

constexpr uint32_t kMostQuestionsOfPool = 256;
// For how long a connection may still say that it has ended: three probe timeouts (RFC 9000 section 10.2), which are
// short once its server has answered.
constexpr Duration kRest = Duration::seconds(3), kRestOfAnswered = Duration::seconds(1);

constexpr Duration kBetweenWarnings = Duration::seconds(60);

uint16_t slot_of(const RoutingSnapshot& routing, const std::string& name) {
  const auto backend = std::ranges::find(routing.backends(), name, &Backend::name);
  return backend == routing.backends().end() ? kNoSlot : static_cast<uint16_t>(backend - routing.backends().begin());
}

}  // namespace

HealthChecks::HealthChecks(Controller& controller, ControlTarget& target, std::vector<HealthChannel*> channels,
                           std::function<void()> nudge, Random random)
    : controller_(controller),
      target_(target),
      channels_(std::move(channels)),
      nudge_(std::move(nudge)),
      monitor_(random) {}

void HealthChecks::tend() {
  now_ = target_.now();
  follow_routing();
  for (HealthChannel* channel : channels_)
    channel->take_answers([this](uint64_t token) { monitor_.answer(token, now_); });
  take_datagrams();
  talk();
  ask();
  talk();
  report();
}

bool HealthChecks::is_talking() const {
  return std::ranges::any_of(askers_,
                             [](const auto& entry) { return entry.second.prober && entry.second.prober->is_busy(); });
}

// Who is asked: every server that the file and operators do not keep down, if there is a way to ask it.
void HealthChecks::follow_routing() {
  const RoutingSnapshot& routing = target_.routing();
  if (routing.serial() == serial_) return;
  serial_ = routing.serial();
  std::vector<HealthTarget> targets;
  std::map<std::string, Asker> askers;
  pools_.clear();
  for (const PoolConfig& pool : controller_.file().pools) {
    if (!pool.health) continue;
    if (pool.health->http3) follow_pool(pool, askers);
    for (const BackendConfig& backend : pool.backends) {
      const std::string name = full_name(pool, backend);
      const BackendState state = controller_.overrides().state_of(name).value_or(backend.state);
      if (state == BackendState::kDown || !probe_for(routing, slot_of(routing, name), 0)) continue;
      targets.push_back({name, *pool.health});
      if (pool.health->http3) pools_[name] = pool.name;
    }
  }
  // Those that go on were moved out: whoever is left ends, and what it did not hear to the end says nothing.
  for (const auto& [name, asker] : askers_) withdraw_questions(asker);
  askers_ = std::move(askers);
  reloads_ = controller_.reloads();
  monitor_.watch(targets, now_);
}

// Whoever asks already goes on, with what is under way. A reload is when an operator who has put new certificates into
// the same file wants them to be read.
void HealthChecks::follow_pool(const PoolConfig& pool, std::map<std::string, Asker>& askers) {
  const auto most = static_cast<uint32_t>(std::min<size_t>(pool.backends.size(), kMostQuestionsOfPool));
  Asker& asker = askers[pool.name];
  if (const auto known = askers_.find(pool.name); known != askers_.end()) asker = std::move(known->second);
  const bool fits = asker.prober && asker.most >= most && reloads_ == controller_.reloads();
  if (fits && asker.question == *pool.health->http3 && asker.timeout == pool.health->timeout) return;
  withdraw_questions(asker);
  asker = {.question = *pool.health->http3, .timeout = pool.health->timeout, .most = most};
  auto made = Http3Prober::make(asker.question, asker.timeout, most);
  if (made) {
    asker.prober = std::move(*made);
  } else {
    asker.problem = made.error();
    log_error("health", std::format("pool {}: {}", pool.name, asker.problem));
  }
}

void HealthChecks::withdraw_questions(const Asker& asker) {
  if (!asker.prober) return;
  for (const uint64_t token : asker.prober->open_questions()) monitor_.withdraw(token);
}

void HealthChecks::take_datagrams() {
  const auto take = [this](const ProbeDatagram& datagram) {
    const Line& line = lines_[datagram.to.port - kFirstConnectionPort];
    const auto asker = askers_.find(line.pool);
    if (asker == askers_.end() || !asker->second.prober) return;
    asker->second.prober->take({.local = datagram.to, .remote = datagram.from},
                               Bytes(datagram.bytes).first(datagram.length), now_);
  };
  for (HealthChannel* channel : channels_) channel->take_datagrams(take);
}

// Lets connections say what they have to say, and hears how they ended.
void HealthChecks::talk() {
  bool has_sent = false;
  const auto send = [&](const Path& path, Bytes bytes) {
    ProbeDatagram datagram{.from = path.local,
                           .to = path.remote,
                           .slot = lines_[path.local.port - kFirstConnectionPort].slot,
                           .length = static_cast<uint16_t>(bytes.size())};
    std::ranges::copy(bytes, datagram.bytes.begin());
    has_sent |= channels_.front()->send(datagram);
  };
  for (auto& [pool, asker] : askers_) {
    if (!asker.prober) continue;
    asker.prober->step(now_, send);
    for (const Http3Prober::Result& result : asker.prober->take_results()) {
      if (!result.problem.empty()) {
        monitor_.fail(result.token, "http3: " + result.problem);
        continue;
      }
      monitor_.answer(result.token, now_);
      free_line_of(result.token);
    }
  }
  if (has_sent) nudge_();
}

void HealthChecks::free_line_of(uint64_t token) {
  const auto line = std::ranges::find(lines_, token, &Line::token);
  if (line != lines_.end()) line->busy_until = std::min(line->busy_until, now_ + kRestOfAnswered);
}

void HealthChecks::ask() {
  bool has_asked = false;
  for (const HealthMonitor::Question& question : monitor_.due(now_)) {
    const auto pool = pools_.find(question.name);
    if (pool == pools_.end())
      has_asked |= ask_by_packet(question);
    else
      ask_by_request(question, pool->second, askers_[pool->second]);
  }
  if (has_asked) nudge_();
}

bool HealthChecks::ask_by_packet(const HealthMonitor::Question& question) {
  const RoutingSnapshot& routing = target_.routing();
  const auto probe = probe_for(routing, slot_of(routing, question.name), question.token);
  return probe && channels_.front()->ask(*probe);
}

void HealthChecks::ask_by_request(const HealthMonitor::Question& question, const std::string& pool, Asker& asker) {
  if (!asker.prober) {
    monitor_.fail(question.token, "http3: " + asker.problem);
    return;
  }
  const auto line = find_free_line();
  if (!line) return monitor_.withdraw(question.token);
  const RoutingSnapshot& routing = target_.routing();
  const auto probe = probe_for(routing, slot_of(routing, question.name), question.token);
  const SocketAddress from{probe ? probe->from.ip : IpAddress(), static_cast<uint16_t>(kFirstConnectionPort + *line)};
  const bool is_asked =
      probe && asker.prober->ask(question.token, {.local = from, .remote = probe->to}, question.deadline, now_);
  // Too many are open: that says nothing about this server.
  if (!is_asked) return monitor_.withdraw(question.token);
  lines_[*line] = {probe->slot, pool, question.token, question.deadline + kRest};
  next_line_ = (*line + 1) % lines_.size();
}

// Where all are in use the question is not asked, which says nothing about the server; the operator hears of it now and
// then.
std::optional<size_t> HealthChecks::find_free_line() {
  for (size_t passed = 0; passed < lines_.size(); ++passed) {
    const size_t line = (next_line_ + passed) % lines_.size();
    if (now_ >= lines_[line].busy_until) return line;
  }
  if (now_ >= next_warning_) {
    next_warning_ = now_ + kBetweenWarnings;
    log_warning("health", std::format("all {} ports for questions are in use: servers are asked less often than the "
                                      "file says; longer intervals or shorter timeouts would help",
                                      lines_.size()));
  }
  return std::nullopt;
}

void HealthChecks::report() {
  for (const HealthMonitor::Change& change : monitor_.take_changes()) {
    log_info("health", change.is_healthy ? std::format("{} answers again", change.name)
                                         : std::format("{} is taken out: {}", change.name, change.problem));
    for (const std::string& error : controller_.set_healthy(change.name, change.is_healthy)) log_error("health", error);
  }
}

}  // namespace viaduct::lb
