#include "apps/lb/control_plane.h"

#include <algorithm>
#include <thread>

#include "apps/lb/program.h"
#include "base/clock.h"

namespace viaduct::lb {
namespace {

// How often the control thread looks around while health checks have connections open.
constexpr Duration kTalkInterval = Duration::milliseconds(2);

template <class T>
std::vector<T*> collect(const Program& program, T WorkerControl::* part) {
  std::vector<T*> parts;
  for (const Program::Worker& worker : program.workers()) parts.push_back(&(worker.handler->control().*part));
  return parts;
}

}  // namespace

ControlPlane::ControlPlane(Program& program)
    : program_(program),
      controller_(*this, program.configuration()),
      commands_(controller_, *this),
      capture_(collect(program, &WorkerControl::tap)),
      health_(
          controller_, *this, collect(program, &WorkerControl::health), [this] { program_.nudge(0); },
          Random::from_system()) {}

std::expected<std::unique_ptr<ControlPlane>, std::string> ControlPlane::make(Program& program,
                                                                             const std::string& socket) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(program));
  if (socket.empty()) return plane;
  auto opened = ControlSocket::open(
      socket, [commands = &plane->commands_](std::string_view line) { return commands->answer(line); });
  if (!opened) return std::unexpected("control.socket: " + opened.error());
  plane->socket_ = std::move(*opened);
  return plane;
}

void ControlPlane::wait(Duration longest) const {
  if (health_.is_talking()) longest = std::min(longest, kTalkInterval);
  if (socket_) return socket_->wait(static_cast<int>(longest.ms()));
  std::this_thread::sleep_for(std::chrono::nanoseconds(longest.ns()));
}

void ControlPlane::tend() {
  if (socket_) socket_->serve();
  health_.tend();
  capture_.tend(routing(), now());
  if (now() >= next_look_) look_at_servers();
}

void ControlPlane::look_at_servers() {
  next_look_ = now() + Duration::seconds(1);
  std::vector<Server> seen;
  for (size_t slot = 0; slot < routing().backends().size(); ++slot) {
    const Backend& backend = routing().backends()[slot];
    if (!backend.name.empty())
      seen.push_back({backend.name, figures_of(*this, slot), backend.is_usable, backend.is_active});
  }
  const std::lock_guard lock(servers_mutex_);
  servers_ = std::move(seen);
}

Instant ControlPlane::now() const { return MonotonicClock::now(); }
const RoutingSnapshot& ControlPlane::routing() const { return program_.routing(); }
Errors ControlPlane::apply(const Configuration& configuration) { return program_.apply(configuration); }

std::expected<std::unique_ptr<const RoutingSnapshot>, Errors> ControlPlane::preview(
    const Configuration& configuration) const {
  return program_.preview(configuration);
}

std::expected<Configuration, Errors> ControlPlane::load(const std::string& file) const {
  auto config = load_config(file.empty() ? program_.file() : file);
  if (!config) return std::unexpected(config.error());
  return std::move(config->routing);
}

size_t ControlPlane::workers() const { return program_.workers().size(); }

ControlTarget::Figures ControlPlane::figures(size_t worker) const {
  const Program::Worker& it = program_.workers()[worker];
  return {.received = it.port->counters().received,
          .sent = it.port->counters().sent,
          .send_drops = it.handler->send_drops(),
          .busy_ns = it.loop->stats().busy_ns.value()};
}

const Router& ControlPlane::router(size_t worker) const { return program_.workers()[worker].handler->router(); }

std::optional<Decision> ControlPlane::explain(size_t worker, Bytes frame) {
  return program_.workers()[worker].handler->control().desk.ask(frame,
                                                                [&] { program_.nudge(static_cast<unsigned>(worker)); });
}

}  // namespace viaduct::lb
