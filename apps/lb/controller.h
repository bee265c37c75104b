// Changes of a running balancer: what the file says, what operators and health checks say on top, and what it comes to.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "apps/lb/control_target.h"
#include "apps/lb/overrides.h"

namespace viaduct::lb {

// What a change would do to new flows, for each pool that is there before and after.
struct MovePlan {
  struct Backend {
    std::string name;                // "pool/backend"
    double before = 0, after = 0;    // its share of new flows, 0 to 1
    bool loses_connections = false;  // it would get nothing at all any more, not even what it has
  };
  struct Pool {
    std::string name;
    double moved = 0;  // part of all new flows that go somewhere else
    std::vector<Backend> backends;
  };
  std::vector<Pool> pools;
};

MovePlan compare(const RoutingSnapshot& before, const RoutingSnapshot& after);

// A change that is wrong changes nothing; what is wrong with it is said in lines. Control thread.
class Controller {
 public:
  // file: what the target runs already.
  Controller(ControlTarget& target, const Configuration& file) : target_(target), file_(file) {}

  // Another file, or the same read again.
  Errors replace_file(const Configuration& file);
  // What it would change.
  std::expected<MovePlan, Errors> plan_file(const Configuration& file) const;

  // Operators. state empty: the file's.
  Errors set_state(const std::string& backend, std::optional<BackendState> state);
  std::expected<MovePlan, Errors> plan_state(const std::string& backend, std::optional<BackendState> state) const;
  Errors set_weight(const std::string& backend, uint32_t weight);
  std::expected<MovePlan, Errors> plan_weight(const std::string& backend, uint32_t weight) const;
  Errors rotate(const Rotation& rotation);
  Errors remove_configuration(uint8_t id);

  // Health checks.
  Errors set_healthy(const std::string& backend, bool is_healthy);

  const Configuration& file() const { return file_; }
  // How often replace_file() went well: then what the file names may be new, too.
  uint64_t reloads() const { return reloads_; }
  const Overrides& overrides() const { return overrides_; }
  // The file with everything on top.
  Configuration wanted() const { return overrides_.on(file_); }

 private:
  Errors change(const Overrides& overrides);
  std::expected<MovePlan, Errors> plan(const Configuration& wanted) const;
  Errors unknown_backend(const std::string& name) const;

  ControlTarget& target_;
  Configuration file_;
  uint64_t reloads_ = 0;
  Overrides overrides_;
};

}  // namespace viaduct::lb
