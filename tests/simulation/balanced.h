// A client, two balancers behind one address, and some origins; and what happens to the balancers meanwhile.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "tests/simulation/balancer.h"
#include "tests/simulation/scenario.h"

namespace viaduct::sim {

struct BalancedConfig {
  // Of its server the endpoint, the transfers and the TLS are each origin's; identity, workers and TLS kind are not
  // used.
  ScenarioConfig scenario;
  size_t origins = 3;
  bool encrypted_ids = true;
};

class Balanced {
 public:
  explicit Balanced(const BalancedConfig& config);

  // Begins all connections, and runs until they are closed and nobody has state left. Expects that all transfers were
  // complete.
  void expect_success(Duration limit);
  // Something that happens so long after all handshakes are complete: until then connection IDs are the client's.
  void after_handshakes(Duration delay, std::function<void()> action);

  // --- what can happen ---
  // A balancer dies and another one takes its place, knowing nothing.
  void restart(size_t balancer);
  // It dies, and the other one gets everything; what comes for it before the routers notice is lost.
  void kill(size_t balancer, Duration unnoticed = {});
  // All balancers get another configuration.
  void load(const std::function<void(lb::Configuration&)>& change);

  Simulation& simulation() { return simulation_; }
  // Connections that each origin accepted.
  std::vector<size_t> accepted() const;
  // Packets that were routed in this way, by balancers that live.
  uint64_t routed(Verdict verdict) const;

 private:
  void make_origin(size_t number);
  void deliver(Datagram datagram);
  bool handshakes_are_complete() const;
  bool is_empty() const;

  const BalancedConfig config_;
  Simulation simulation_;
  flowsteer::QuicLbConfig connection_ids_;
  lb::Configuration configuration_;
  std::unique_ptr<crypto::TlsContext> tls_client_;
  std::unique_ptr<crypto::TlsContext> tls_server_;
  FileClient client_app_;
  std::vector<std::unique_ptr<FileServer>> origin_apps_;
  std::unique_ptr<Host> client_;
  std::vector<std::unique_ptr<Host>> origins_;
  std::array<std::unique_ptr<Balancer>, 2> balancers_;
  Instant noticed_at_;  // that one is dead
};

}  // namespace viaduct::sim
