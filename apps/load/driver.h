// Opens connections and asks for things, at the pace that the configuration says; one worker's share of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/http3/client.h"
#include "apps/load/config.h"
#include "apps/load/histogram.h"
#include "base/slab.h"
#include "base/worker_stats.h"

namespace viaduct::load {

enum class Phase : uint8_t {
  kOpening,    // connections are opened
  kWarmUp,     // it works, and nothing is noted yet
  kMeasuring,  // latencies are noted
  kEnding,     // nothing new; connections are closed
};

// Written by one worker, read by any thread.
struct DriverCounters {
  Counter requests_done;    // answered with 2xx or 3xx, whole
  Counter requests_failed;  // answered otherwise, or not
  Counter body_bytes;       // received
  Counter upload_bytes;     // of requests that were answered
  Counter handshakes;       // completed
  Counter handshakes_failed;
  Counter connections_open;
  Counter connections_lost;  // that ended without our wish
  Counter migrations;
  std::array<Counter, 6> by_class;  // of the status: [2] counts 2xx
};

// What the driver asks of whoever has the endpoint.
class Connector {
 public:
  virtual ~Connector() = default;
  // `slot` comes back in on_connected(). Empty where there is no room.
  virtual std::optional<quic::ConnectionHandle> connect(uint32_t slot) = 0;
  // The slot's packets are to come from another port. False where that cannot be just now.
  virtual bool move(uint32_t slot, quic::ConnectionHandle connection) = 0;
  // Whether the slot's next connection can resume a session.
  virtual bool can_resume(uint32_t slot) const = 0;
};

// The worker's own shares of the configuration's totals.
struct Share {
  uint32_t connections = 0;
  uint32_t held = 0;  // their places come behind those of `connections`
  uint32_t opening = 0;
  double rate = 0;
  double migrations = 0;
  uint64_t total = 0;
};
Share share_of(const Config& config, unsigned worker);

class Driver final : public http3::ClientHandler {
 public:
  Driver(const Config& config, const Share& share, Connector& connector);
  // Before anything else; the client outlives all calls.
  void drive(http3::Client& client) { client_ = &client; }

  // The time of the answers that the client's next step() brings.
  void set_time(Instant now) { now_ = now; }
  // Begins what is due. True where it began anything.
  bool step(Phase phase, Instant now);
  // When step() has something to begin without an event.
  Instant deadline() const;

  // --- any thread ---
  const DriverCounters& counters() const { return counters_; }
  // All connections were tried; in kEnding: all are gone.
  bool is_ready() const { return ready_.load(std::memory_order_acquire); }
  bool is_done() const { return done_.load(std::memory_order_acquire); }

  // --- after the worker's end ---
  const Histogram& latencies() const { return latencies_; }
  const Histogram& handshake_times() const { return handshake_times_; }
  // Of fetches, by URL.
  struct Fetched {
    bool is_complete = false;
    uint16_t status = 0;
    std::string head, body;
  };
  const std::vector<Fetched>& fetched() const { return fetched_; }
  const std::string& last_problem() const { return last_problem_; }

  void on_connected(quic::ConnectionHandle connection, uint64_t cookie) override;
  void on_disconnected(quic::ConnectionHandle connection, uint64_t error, bool is_application_error) override;
  void on_head(uint64_t cookie, const http3::ResponseHead& head) override;
  void on_body(uint64_t cookie, Bytes bytes) override;
  void on_end(uint64_t cookie, const http3::Ending& ending) override;

 private:
  // A connection's place; another takes it when it is gone.
  struct Slot {
    enum class State : uint8_t { kFree, kConnecting, kOpen, kClosing };
    State state = State::kFree;
    bool is_ready = false;       // is in ready_slots_
    bool awaits_ticket = false;  // is in ticketless_slots_: its work is done
    quic::ConnectionHandle connection;
    uint32_t in_flight = 0;
    uint32_t asked = 0;
    Instant began;      // to connect; at an open loop: when it was due
    Instant leaves_at;  // without a ticket
  };
  struct Exchange {
    uint32_t slot = 0;
    uint32_t url = 0;
    uint16_t status = 0;
    Instant began;  // at an open loop: when it was due
  };

  // Moments at a fixed rate. What is late stays due: that is how waiting is counted.
  struct Schedule {
    Instant next = Instant::never();
    double interval_ns = 0;
    double fraction = 0;
    void start(double per_second, Instant now);
    void advance();
  };

  bool open_connections(Instant now);
  bool ask_closed(Instant now);
  bool ask_open(Instant now);
  bool end(Instant now);
  bool ask(uint32_t slot, Instant began);
  void move_some(Instant now);
  void note_ready(uint32_t slot);
  void finish_slot(uint32_t slot);
  void leave_slot(uint32_t slot);
  void look_for_tickets(Instant now);
  uint32_t slot_of(quic::ConnectionHandle connection) const;
  bool may_ask_more() const { return share_.total == 0 || begun_ < share_.total; }

  const Config& config_;
  const Share share_;
  Connector& connector_;
  http3::Client* client_ = nullptr;
  std::unique_ptr<Chunk> upload_;
  std::vector<uint8_t> upload_room_;

  std::vector<Slot> slots_;
  std::vector<uint32_t> by_connection_;  // slot of a connection's index
  std::vector<uint32_t> free_slots_;
  std::vector<uint32_t> ready_slots_;
  std::vector<uint32_t> ticketless_slots_;  // whose next connection is to resume their session, and cannot yet
  std::vector<Exchange> exchanges_;
  std::vector<uint32_t> free_exchanges_;
  uint32_t connecting_ = 0;
  uint32_t live_ = 0;        // slots that are not free
  uint32_t next_slot_ = 0;   // whose turn it is at an open loop
  uint32_t next_moved_ = 0;  // whose turn it is to move
  uint32_t tried_ = 0;       // connections, while they are first opened
  uint64_t begun_ = 0;       // requests, or handshakes
  uint64_t ended_ = 0;
  Phase phase_ = Phase::kOpening;
  Instant now_;
  Schedule requests_due_, moves_due_;
  bool is_closing_all_ = false;

  DriverCounters counters_;
  Histogram latencies_, handshake_times_;
  std::vector<Fetched> fetched_;
  std::string last_problem_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> done_{false};
};

}  // namespace viaduct::load
