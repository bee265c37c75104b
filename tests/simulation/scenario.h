// The usual case: a client and a server joined by a cable, some connections with transfers, and what came of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/amplification_watch.h"
#include "tests/simulation/file_client.h"
#include "tests/simulation/file_server.h"
#include "tests/simulation/host.h"
#include "tests/simulation/simulation.h"
#include "tests/support/test_tls.h"

namespace viaduct::sim {

inline constexpr IpAddress kClientIp = IpAddress::v4(198, 18, 1, 100);
inline constexpr IpAddress kServerIp = IpAddress::v4(198, 18, 2, 100);
inline constexpr SocketAddress kServer{kServerIp, 443};
inline constexpr uint64_t kMega = 1'000'000;  // bytes

// The network of the QUIC interop runner: 15 ms one way, 10 Mbit/s, a queue of 25 packets.
LinkConfig interop_link();
// Capacities that are quickly allocated, for a handful of connections.
quic::EndpointConfig small_endpoint();

// A translator before the client forgets its mappings, so long after all handshakes are complete at the server and
// confirmed at the client: QUIC relies on stable addresses until then (RFC 9000 section 9).
struct Rebinding {
  Duration after;
  bool address = false;  // a new address, not only new ports
};

// The first connection moves on purpose to another address of the client's host, so long after all handshakes are
// complete, where it still can. The new path is like the old one.
struct Move {
  Duration after;
  SocketAddress local;
};

struct ScenarioConfig {
  uint64_t seed = 1;
  IpAddress client_ip = kClientIp;
  IpAddress server_ip = kServerIp;
  LinkConfig to_server = interop_link();
  LinkConfig to_client = interop_link();
  std::vector<Rebinding> rebindings;
  std::vector<Move> moves;
  quic::EndpointConfig client_endpoint = small_endpoint();
  quic::EndpointConfig server_endpoint = small_endpoint();
  unsigned server_workers = 1;
  size_t pool_packets = 4096;  // of each host
  std::optional<flowsteer::ServerIdentity> server_identity;
  size_t connections = 1;
  ClientOptions client;
  TransferOptions server;
  test::TestTlsOptions tls;
  bool real_tls = false;  // OpenSSL's, with random numbers from the seed
  // In place of both; for many scenarios.
  crypto::TlsContext* tls_client = nullptr;
  crypto::TlsContext* tls_server = nullptr;
  quic::ServerMemory* memory = nullptr;  // the client's
};

// One download of so many bytes.
ScenarioConfig download(uint64_t bytes);

class Scenario {
 public:
  explicit Scenario(const ScenarioConfig& config);
  ~Scenario();

  // Begins all connections.
  void start();
  // Until the client's connections are closed and nobody has any state left. Checks then that everything was given
  // back, and that the applications saw nothing wrong.
  bool run_to_end(Duration limit);
  // start() and run_to_end(); expects that it ended, and that all connections opened and have all they asked for.
  void expect_success(Duration limit);

  // From the start to the last byte of the last transfer.
  Duration completion() const;
  Duration handshake() const;  // of the first connection
  uint64_t packets_to_server() const { return to_server().offered; }
  uint64_t packets_to_client() const { return to_client().offered; }
  const LinkStats& to_server() const { return simulation_.link_stats(config_.client_ip, config_.server_ip); }
  const LinkStats& to_client() const { return simulation_.link_stats(config_.server_ip, config_.client_ip); }

  Simulation& simulation() { return simulation_; }
  Host& client() { return *client_; }
  Host& server() { return *server_; }
  FileClient& client_app() { return client_app_; }
  FileServer& server_app(unsigned worker = 0) { return *server_apps_[worker]; }
  // Ends the server without a word, and starts another with the same secrets.
  void restart_server();
  // Everything that entered the cables: when, from where, what.
  const std::vector<uint8_t>& trace() const { return trace_; }

 private:
  void make_server(uint64_t seed);
  void record(const Datagram& datagram);
  bool is_empty() const;
  bool handshakes_are_complete() const;
  void after_handshakes(std::function<void()> action);
  void prepare(const Move& move);
  void check_end();

  const ScenarioConfig config_;
  Simulation simulation_;
  std::vector<quic::ConnectionHandle> started_;
  std::unique_ptr<crypto::TlsContext> own_tls_client_;
  std::unique_ptr<crypto::TlsContext> own_tls_server_;
  crypto::TlsContext* tls_client_;
  crypto::TlsContext* tls_server_;
  FileClient client_app_;
  std::vector<std::unique_ptr<FileServer>> server_apps_;
  std::unique_ptr<Host> client_;
  std::unique_ptr<Host> server_;
  AmplificationWatch amplification_;
  std::vector<uint8_t> trace_;
};

// Says what a scenario took, so that a band that does not hold tells by how much.
std::string summary(const Scenario& scenario);

}  // namespace viaduct::sim
