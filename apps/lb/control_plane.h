// The running program's control plane: its socket, what operators and health checks want, captures.
#pragma once

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apps/lb/control_commands.h"
#include "apps/lb/control_socket.h"
#include "apps/lb/decision_capture.h"
#include "apps/lb/health_checks.h"

namespace viaduct::lb {

class Program;

// Control thread.
class ControlPlane : private ControlTarget {
 public:
  // program: made, its workers not yet or no longer running when this comes and goes. socket: the path; empty: no
  // socket. The error is one sentence.
  static std::expected<std::unique_ptr<ControlPlane>, std::string> make(Program& program, const std::string& socket);

  // Sleeps until a client has something to say, or that long.
  void wait(Duration longest) const;
  // Answers clients, asks servers, writes captures.
  void tend();
  // A server as monitoring sees it.
  struct Server {
    std::string name;  // "pool/backend"
    BackendFigures figures;
    bool is_usable = false, is_active = false;
  };
  // As of a second ago at most. Any thread.
  std::vector<Server> servers() const {
    const std::lock_guard lock(servers_mutex_);
    return servers_;
  }

  // The file was read again; what was said on top of it stays.
  Errors replace_file(const Configuration& file) { return controller_.replace_file(file); }

 private:
  explicit ControlPlane(Program& program);
  void look_at_servers();

  Instant now() const override;
  const RoutingSnapshot& routing() const override;
  Errors apply(const Configuration& configuration) override;
  std::expected<std::unique_ptr<const RoutingSnapshot>, Errors> preview(
      const Configuration& configuration) const override;
  std::expected<Configuration, Errors> load(const std::string& file) const override;
  size_t workers() const override;
  Figures figures(size_t worker) const override;
  const Router& router(size_t worker) const override;
  std::optional<Decision> explain(size_t worker, Bytes frame) override;
  const HealthFigures* health(const std::string& backend) const override { return health_.monitor().find(backend); }
  std::string start_capture(const std::string& file, Duration length) override {
    return capture_.start(file, length, now());
  }
  CaptureFigures capture() const override { return capture_.figures(); }

  Program& program_;
  Controller controller_;
  ControlCommands commands_;
  DecisionCapture capture_;
  HealthChecks health_;
  std::unique_ptr<ControlSocket> socket_;
  Instant next_look_;
  mutable std::mutex servers_mutex_;
  std::vector<Server> servers_;
};

}  // namespace viaduct::lb
