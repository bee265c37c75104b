// A full HTTP/3 request as a health check: a client on our own engine, whose datagrams workers carry.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/http3/client.h"
#include "apps/lb/configuration.h"
#include "base/packet.h"
#include "base/random.h"
#include "base/slab.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"

namespace viaduct::lb {

// Asks the servers of one pool, each on a connection of its own that ends with the answer. A machine without clock or
// socket; it sleeps between calls, and while it is busy it wants step() every few milliseconds. One thread.
class Http3Prober final : private http3::ClientHandler {
 public:
  // most: questions under way at a time. timeout: after which nobody waits for an answer. The error is one sentence: a
  // file of certificates that cannot be used.
  static std::expected<std::unique_ptr<Http3Prober>, std::string> make(const Http3Question& question, Duration timeout,
                                                                       uint32_t most);
  ~Http3Prober() override;

  // Asks the server at path.remote; take_results() has the token later. False where too many are under way.
  bool ask(uint64_t token, const Path& path, Instant deadline, Instant now);
  // A datagram that came to `path.local`.
  void take(const Path& path, Bytes datagram, Instant now);
  // Timers, and datagrams to be sent: path and bytes, at most kMostDatagram.
  using Send = std::function<void(const Path& path, Bytes datagram)>;
  void step(Instant now, const Send& send);

  struct Result {
    uint64_t token = 0;
    std::string problem;  // "status 503", "handshake timed out", …; empty: all is well
  };
  // Each token once.
  std::vector<Result> take_results();
  bool is_busy() const { return !checks_.empty(); }
  // Tokens that no result has come for.
  std::vector<uint64_t> open_questions() const;

  // Small enough for any path with any tunnel (RFC 9000 section 14.1).
  static constexpr size_t kMostDatagram = 1200;

 private:
  struct Check {
    Instant deadline;
    quic::ConnectionHandle connection;
    bool is_connected = false;
    uint16_t status = 0;
  };
  static constexpr size_t kPackets = 64;

  Http3Prober(const Http3Question& question, Duration timeout, uint32_t most, std::unique_ptr<crypto::TlsContext> tls,
              std::unique_ptr<crypto::PacketProtector> protector);
  void on_connected(quic::ConnectionHandle connection, uint64_t token) override;
  void on_disconnected(quic::ConnectionHandle connection, uint64_t error, bool is_application_error) override;
  void on_head(uint64_t token, const http3::ResponseHead& head) override;
  void on_body(uint64_t, Bytes) override {}
  void on_end(uint64_t token, const http3::Ending& ending) override;

  void end(uint64_t token, std::string problem);
  void end_overdue();
  void run();
  bool send_built(const Send& send);
  void take_back();

  const Http3Question question_;
  const std::string authority_;  // RFC 3986 section 3.2.2: an address of IPv6 has brackets
  const uint32_t most_;
  std::unique_ptr<crypto::TlsContext> tls_;
  std::unique_ptr<crypto::PacketProtector> protector_;
  Random random_ = Random::from_system();
  const SipKey shard_secret_;
  flowsteer::ShardMap shards_;
  flowsteer::ConnectionIdCodec connection_ids_;
  std::vector<uint8_t> rooms_;
  std::vector<Packet> packets_;
  std::vector<Packet*> free_;
  ChunkPool chunks_;
  quic::Endpoint endpoint_;
  http3::Client client_;
  std::map<uint64_t, Check> checks_;  // by token
  Instant now_;
  std::vector<Result> results_;
};

}  // namespace viaduct::lb
