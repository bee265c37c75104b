// A shard of QUIC connections as a pure machine: datagrams, time and commands go in; datagrams,
// events and a deadline come out. Both roles.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/packet.h"
#include "base/verdict.h"
#include "engine/app_channel.h"
#include "engine/endpoint/endpoint_config.h"
#include "engine/endpoint/endpoint_stats.h"

namespace viaduct::quic {

class ServerMemory;
class Shard;

struct ConnectOptions {
  Path path;                       // local may have port 0 only where the port fills it in
  std::string server_name;         // SNI, and what the certificate is checked against; empty: the address is
  uint32_t version = 0;            // to begin with; 0: the first of the configuration's
  uint64_t cookie = 0;             // comes back in kOpened
  ServerMemory* memory = nullptr;  // of servers met before, by name; outlives the connection; null: nothing is kept
};

// All calls are one worker's, in the order of base/worker_loop.h. Nothing here reads a clock, blocks or
// (TLS handshakes aside) allocates.
class Endpoint {
 public:
  Endpoint(const EndpointConfig& config, const EndpointServices& services);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Takes received datagrams (packet data() is a UDP payload; path.remote is the sender). They are the
  // endpoint's until they come back by released(). Each ends in one verdict of verdicts().
  void ingest(std::span<Packet*> datagrams, Instant now);
  // Application commands, TLS (a bounded number of steps), timers, events that found no room before. True where there
  // were any.
  bool step(Instant now);
  // Fills empty packets from the front with sealed datagrams (length, path, ecn); how many. The rest is the
  // caller's still. Packets are those of PacketPort::allocate().
  size_t build(std::span<Packet*> packets, Instant now);
  // Received packets that are not needed any more; the caller's from now on. Valid until the next call of
  // ingest() or step(); each packet appears once.
  std::span<Packet*> released();
  // When step() or build() has something to do; an instant that is not in the future: now.
  Instant deadline() const;

  // Begins a connection; kOpened (with the cookie) or kClosed follows. Empty where there is no room, no client
  // TLS, or the endpoint shuts down.
  std::optional<ConnectionHandle> connect(const ConnectOptions& options, Instant now);
  // A client's connection is to go on from another address of this host; it does once the new path has answered. False
  // where it cannot: the handshake is not confirmed, the server forbids it or has given no connection ID for it, or
  // another path is being tried.
  bool move(ConnectionHandle connection, const SocketAddress& local, Instant now);
  // A router's claim that a datagram of ours was too large for the path: how many bytes of UDP payload would fit, and
  // the first bytes of the datagram's payload as it quotes them. Nobody vouches for it: it is believed only of a
  // connection whose ID is quoted (RFC 9000 section 14.2.1). Whether it was; no more than a few are looked at in a
  // second.
  bool on_path_mtu(const Path& path, size_t udp_payload, Bytes quoted, Instant now);
  // The application's side.
  AppChannel& channel();

  // Refuses new connections and closes all with NO_ERROR (the application has said what it had to say). None stays
  // closing or draining for more than a second.
  void shut_down(Instant now);
  // True when no connection has state any more and no received packet is held.
  bool is_empty() const;

  // Sum of verdicts = datagrams ingested. Readable from any thread, as are the two below.
  const VerdictCounters& verdicts() const;
  const EndpointStats& stats() const;
  std::vector<PoolGauge> pools() const;

 private:
  std::unique_ptr<Shard> shard_;
};

}  // namespace viaduct::quic
