// What the simulated client and server have in common: they send and check position-derived bytes on streams, within
// the rules of AppChannel.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/instant.h"
#include "engine/app_channel.h"
#include "tests/simulation/content.h"
#include "tests/simulation/host.h"

namespace viaduct::sim {

struct TransferOptions {
  uint32_t write_size = 16'384;    // bytes of one write command, at most Content::kLongest
  uint64_t write_ahead = 262'144;  // bytes of a stream that are written and not released
  Duration consume_delay;          // how long received bytes are kept: a slow reader
  uint64_t window = ~uint64_t{0};  // of bytes of a connection that may be here unconsumed: what was offered to the peer
};

// A request is 16 bytes: how much to send back, and how much follows; then what follows.
inline constexpr size_t kRequestSize = 16;

class TransferApp : public Application {
 public:
  explicit TransferApp(const TransferOptions& options) : options_(options) {}

  void run(quic::AppChannel& channel, Instant now) final;
  Instant deadline() const override;

  // The first thing that went wrong: wrong bytes, a chunk that did not come back; empty where nothing did.
  const std::string& problem() const { return problem_; }
  // Whether it has given back all that it received, also of connections that are closed.
  bool is_idle() const { return kept_.empty() && pending_.empty(); }
  // Write commands that were not released.
  size_t writes_outstanding() const { return writes_outstanding_; }
  uint64_t bytes_received() const { return bytes_received_; }

 protected:
  using Handle = quic::ConnectionHandle;

  // What is sent on a stream: `length` bytes of content from a position.
  struct Outgoing {
    Content content;
    uint64_t length = 0;
    uint64_t written = 0;
    uint64_t unreleased = 0;
    bool finished = false;  // the end was written, or nothing more is to be

    bool is_released() const { return finished && unreleased == 0; }
  };

  virtual void on_event(const quic::Event& event, Instant now) = 0;
  // Each run, after the events.
  virtual void on_run(Instant) {}

  // Writes as much as the options allow; the end with the last byte.
  void pump(Handle connection, uint64_t stream, Outgoing& outgoing);
  void write(Handle connection, uint64_t stream, Chunk& chunk, uint32_t offset, uint32_t length, bool fin);
  void command(const quic::Command& command) { pending_.push_back(command); }
  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }

 private:
  struct Kept {
    Instant until;
    Handle connection;
    uint64_t token;
    uint32_t length;
  };

  void take(const quic::Event& event, Instant now);
  void give_back(Instant now);

  const TransferOptions options_;
  std::deque<quic::Command> pending_;  // the ring may be full
  Instant retry_ = Instant::never();   // when to look for room in the ring
  std::deque<Kept> kept_;
  std::map<Handle, uint64_t> kept_bytes_;
  size_t writes_outstanding_ = 0;
  uint64_t bytes_received_ = 0;
  std::string problem_;
};

}  // namespace viaduct::sim
