// Downloads and uploads over one or more connections, and knows when it has all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "tests/simulation/transfer_app.h"

namespace viaduct::sim {

// One stream.
struct Transfer {
  uint64_t download = 0;
  uint64_t upload = 0;
  bool unidirectional = false;  // upload alone
  // When so many bytes came: STOP_SENDING, and RESET_STREAM where the upload has not ended.
  uint64_t abandon_after = std::numeric_limits<uint64_t>::max();
};

struct ClientOptions {
  std::vector<Transfer> transfers;  // of each connection
  size_t parallel = std::numeric_limits<size_t>::max();
  bool close_when_done = true;
  Duration heartbeat;  // how often a byte is sent on a stream of its own, until all is done; 0: never
  TransferOptions transfer;
};

class FileClient : public TransferApp {
 public:
  using TransferApp::Handle;
  struct Connection {
    bool opened = false;
    bool heard = false;  // the server acknowledged something
    bool closed = false;
    size_t streams_done = 0;
    Instant opened_at;
    Instant done_at;  // all transfers
    Instant closed_at;
    uint64_t error = 0;
    bool application_error = false;
  };

  explicit FileClient(const ClientOptions& options) : TransferApp(options.transfer), options_(options) {}

  // Whoever connects says so, and chooses a number for the connection.
  void started(Handle handle, uint64_t cookie);
  Instant deadline() const override { return std::min(TransferApp::deadline(), next_heartbeat_); }
  // By that number.
  const std::map<uint64_t, Connection>& connections() const { return connections_; }
  const Connection& connection(uint64_t cookie = 0) { return connections_[cookie]; }
  // Whether so many connections have all that they asked for, or are closed.
  bool all_done(size_t connections) const;
  bool all_closed(size_t connections) const;
  // Closes the connection as an application does; whoever calls it wakes the host.
  void close(uint64_t cookie, uint64_t error);

 private:
  struct Stream {
    Transfer transfer;
    Outgoing upload;
    uint64_t downloaded = 0;
    bool download_ended = false;
    bool is_heartbeat = false;
  };
  struct Session {
    uint64_t cookie = 0;
    size_t next_transfer = 0;
    uint64_t next_bidirectional = 0;
    uint64_t next_unidirectional = 2;
    std::map<uint64_t, Stream> streams;  // open
    std::set<uint64_t> abandoned;        // what still comes on these does not matter
  };

  void on_event(const quic::Event& event, Instant now) override;
  void on_run(Instant now) override;
  void on_open(const quic::Event& event, Instant now);
  void on_data(const quic::Event& event, Session& session);
  void on_closed(const quic::Event& event, Instant now);
  void open_streams(Handle handle, Session& session);
  void open_stream(Handle handle, Session& session, const Transfer& transfer, bool is_heartbeat);
  void abandon(Handle handle, uint64_t id, Stream& stream);
  void settle(Handle handle, Session& session, Instant now);

  const ClientOptions options_;
  std::map<Handle, Session> sessions_;
  std::map<uint64_t, Connection> connections_;
  Instant next_heartbeat_ = Instant::never();
};

}  // namespace viaduct::sim
