// A client's and a server's endpoint joined in memory, in virtual time, with every datagram in the test's hands.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "crypto-offload/packet_protector.h"
#include "engine/endpoint/endpoint.h"
#include "engine/endpoint/server_memory.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"
#include "tests/engine/endpoint/tampering_protector.h"
#include "tests/support/fake_port.h"
#include "tests/support/test_tls.h"

namespace viaduct::quic::test {

inline constexpr Path kClientPath{{IpAddress::v4(198, 18, 0, 1), 40000}, {IpAddress::v4(198, 18, 0, 2), 443}};

struct Datagram {
  Path path;  // as its receiver sees it
  std::vector<uint8_t> bytes;
  Ecn ecn = Ecn::kNotEct;
};

// `first` and what follows it.
std::vector<uint8_t> some_bytes(size_t size, uint8_t first = 0);

// One stream's worth of bytes, kept alive until the endpoint has released them.
struct OwnedChunk {
  explicit OwnedChunk(std::vector<uint8_t> content)
      : bytes(std::move(content)), chunk(bytes.data(), static_cast<uint32_t>(bytes.size()), [](Chunk*) {}) {}
  std::vector<uint8_t> bytes;
  Chunk chunk;
};

// An endpoint with its application: a recorder of events that consumes what it is given.
class Side {
 public:
  Side(const EndpointConfig& config, crypto::TlsContext* server, crypto::TlsContext* client, uint64_t seed,
       uint8_t secret = 1, Tracer* tracer = nullptr);

  Endpoint& endpoint() { return *endpoint_; }
  uint64_t verdict(Verdict verdict) const { return endpoint_->verdicts()[verdict]; }
  const EndpointStats& stats() const { return endpoint_->stats(); }

  void ingest(const Datagram& datagram, Instant now);
  void ingest_all(const std::vector<Datagram>& datagrams, Instant now);
  // One round without receiving: what it sends.
  std::vector<Datagram> round(Instant now);

  // --- application ---
  void write(ConnectionHandle connection, uint64_t stream, std::vector<uint8_t> bytes, bool fin);
  void command(const Command& command) { endpoint_->channel().commands.push(command); }
  void take_events();
  bool saw(EventType type) const;
  const Event* find(EventType type) const;

  std::vector<Event> events;                          // all but kData
  std::map<uint64_t, std::vector<uint8_t>> received;  // by stream
  std::map<uint64_t, bool> finished;
  std::map<uint64_t, size_t> early;  // bytes of `received` that came as 0-RTT
  uint64_t released_bytes = 0;
  std::deque<OwnedChunk> chunks;
  bool consumes = true;
  std::vector<Command> unconsumed;
  std::vector<ConnectionHandle> opened;
  size_t packets_used() const { return pool_.used(); }
  size_t id_length() const { return ids_.length(); }
  // Changes what is sent from now on, before it is sealed.
  void set_tamper(TamperingProtector::Tamper tamper) { protector_.tamper = std::move(tamper); }
  // Instead of the next 1-RTT packets, with room for them, that are sent: until one went out.
  void say_next(std::vector<uint8_t> frames);

 private:
  viaduct::test::FakePool pool_{512};
  Random random_;
  TamperingProtector protector_;
  flowsteer::ConnectionIdCodec ids_;
  flowsteer::ShardMap shards_;
  std::unique_ptr<Endpoint> endpoint_;
};

struct PairOptions {
  EndpointConfig client;
  EndpointConfig server;
  viaduct::test::TestTlsOptions tls;
  crypto::TlsContext* real_server = nullptr;  // instead of the test TLS
  crypto::TlsContext* real_client = nullptr;
  uint64_t seed = 1;
  Tracer* server_tracer = nullptr;
};
// Capacities that are quickly allocated.
EndpointConfig small_config();

class TwoEndpoints {
 public:
  explicit TwoEndpoints(PairOptions options = {.client = small_config(), .server = small_config()});

  ConnectionHandle connect(uint64_t cookie = 7);
  // One more connection, opened on both sides; the client's.
  ConnectionHandle connect_and_open();
  // Until done() or for so long; whether it is done.
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::seconds(10));
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }
  // Both have told their application that the connection is open.
  bool handshake();
  // The server's side of the only connection.
  ConnectionHandle accepted() const { return server.opened.at(0); }

  Instant now = Instant::from_ns(1'000'000'000'000);
  Duration delay = Duration::milliseconds(5);
  std::unique_ptr<crypto::TlsContext> tls;
  Side client;
  Side server;
  // Sees each datagram before it travels; false: it is lost. May change it.
  std::function<bool(bool to_server, Datagram&)> filter;
  std::vector<Datagram> sent_to_server;  // all that entered, while `record` is set
  std::vector<Datagram> sent_to_client;
  bool record = false;
  ServerMemory memory;  // the client's
  Path client_path = kClientPath;

 private:
  struct Arrival {
    Instant at;
    bool to_server;
    Datagram datagram;
  };
  void send(bool to_server, std::vector<Datagram> datagrams);
  bool deliver();

  std::deque<Arrival> travelling_;
};

}  // namespace viaduct::quic::test
