// A host of the simulated network: workers with an endpoint, an application and the loop that programs run.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hand_off.h"
#include "base/random.h"
#include "base/snapshot.h"
#include "base/worker_loop.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint.h"
#include "engine/endpoint/server_memory.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"
#include "tests/simulation/sim_port.h"
#include "tests/simulation/simulation.h"

namespace viaduct::sim {

// What runs inline at the end of a worker's step.
class Application {
 public:
  virtual ~Application() = default;
  // Takes events, gives commands.
  virtual void run(quic::AppChannel& channel, Instant now) = 0;
  // When it wants to run though nothing came.
  virtual Instant deadline() const { return Instant::never(); }
};

struct HostConfig {
  IpAddress ip;
  unsigned workers = 1;
  size_t pool_packets = 4096;
  size_t hand_off_slots = 256;
  quic::EndpointConfig endpoint;
  std::optional<flowsteer::ServerIdentity> identity;
  // Either may be null. One is enough for all workers, because all run in one thread.
  crypto::TlsContext* tls_server = nullptr;
  crypto::TlsContext* tls_client = nullptr;
  quic::ServerMemory* memory = nullptr;  // of a client
  uint64_t seed = 1;
  // What survives a restart: the secret of the shards and IDs, of stateless resets and of tokens.
  uint8_t secret = 1;
};

class Worker;

// Attached to the simulation while it lives. Datagrams are spread over the workers by a hash of their addresses, as a
// NIC does it that knows nothing of QUIC.
class Host {
 public:
  // applications: one for each worker; they outlive the host.
  Host(Simulation& simulation, const HostConfig& config, const std::vector<Application*>& applications);
  ~Host();

  const HostConfig& config() const { return config_; }
  unsigned workers() const { return config_.workers; }
  quic::Endpoint& endpoint(unsigned worker = 0);
  // Begins a connection from this host and the port.
  std::optional<quic::ConnectionHandle> connect(SocketAddress server, uint16_t port, uint64_t cookie = 0,
                                                unsigned worker = 0);
  // A datagram for this host that came another way than by its address: from a balancer.
  void receive(Datagram datagram) { deliver(std::move(datagram)); }
  // Makes a worker look at its command ring, which somebody else filled.
  void wake(unsigned worker = 0);

  bool is_empty() const;
  uint64_t handed_off() const;
  uint64_t received() const;  // datagrams, by the ports
  uint64_t sent() const;
  uint64_t overrun() const;
  uint64_t verdict(Verdict verdict);  // of all workers
  size_t packets_outstanding() const { return pool_.outstanding(); }
  // All that is not zero of what its endpoints count.
  std::string counters() const;
  // Fails the test where an endpoint counted another number of datagrams than its port, kept something that its
  // connections should have given back, or woke up too often for nothing. Only when is_empty().
  void expect_baseline();

 private:
  friend class Worker;
  void deliver(Datagram datagram);
  void wake_all();

  Simulation& simulation_;
  const HostConfig config_;
  SimPool pool_;
  flowsteer::ShardMap shards_;
  HandOff hand_off_;
  Quiescence quiescence_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace viaduct::sim
