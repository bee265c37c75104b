// What operators and health checks say on top of the configuration file. It stays over reloads of the file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apps/lb/configuration.h"

namespace viaduct::lb {

// A QUIC-LB configuration that is added while the balancer runs, and what its IDs call the backends.
struct Rotation {
  flowsteer::QuicLbConfig config;
  std::map<std::string, std::vector<uint8_t>> server_ids;  // by "pool/backend"
};

// Backends are named "pool/backend"; names that the file has not (any more) mean nothing. Control thread.
class Overrides {
 public:
  // The state that an operator wants; empty: the file's.
  void set_state(const std::string& backend, std::optional<BackendState> state);
  void set_weight(const std::string& backend, uint32_t weight) { weights_[backend] = weight; }
  // What the last checks of its health said.
  void set_healthy(const std::string& backend, bool is_healthy);
  bool is_healthy(const std::string& backend) const { return !unhealthy_.contains(backend); }
  // The state that an operator wants, if one does.
  std::optional<BackendState> state_of(const std::string& backend) const;

  void add(const Rotation& rotation);
  // IDs of that configuration say nothing from now on.
  void remove_configuration(uint8_t id);

  // The file with all of it. A configuration that is added and that the file has as well is the file's. A pool in which
  // no server would be left for new flows keeps those that are not well: trying them is better than serving nobody.
  Configuration on(const Configuration& file) const;

 private:
  void rotate(Configuration& configuration) const;
  void set_states(PoolConfig& pool) const;

  std::map<std::string, BackendState> states_;
  std::map<std::string, uint32_t> weights_;
  std::set<std::string> unhealthy_;
  std::map<uint8_t, Rotation> added_;
  std::set<uint8_t> removed_;
};

inline std::string full_name(const PoolConfig& pool, const BackendConfig& backend) {
  return pool.name + "/" + backend.name;
}

}  // namespace viaduct::lb
