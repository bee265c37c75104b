// Servers that come (back) get their share of new flows little by little.
#pragma once

#include <map>
#include <string>

#include "apps/lb/configuration.h"
#include "base/instant.h"

namespace viaduct::lb {

// Control thread.
class SlowStart {
 public:
  // How often a share changes while a server starts: each change moves a few new flows.
  static constexpr Duration kStep = Duration::seconds(1);

  // Notes which servers of a configuration are active at this time. Those of the first configuration, and those that
  // were active before, have their weight; the others begin.
  void note(const Configuration& configuration, Instant now);
  // The configuration with the weights of this time.
  Configuration weighted(const Configuration& configuration, Instant now) const;
  // When the weights change next; never() where no server is starting.
  Instant next_change() const { return next_change_; }

 private:
  static std::string name_of(const PoolConfig& pool, const BackendConfig& backend) {
    return pool.name + "/" + backend.name;
  }

  std::map<std::string, Instant> active_since_;
  bool is_first_ = true;
  Instant next_change_ = Instant::never();
};

}  // namespace viaduct::lb
