// The server side of HTTP/3 for all connections of one worker (RFC 9114), over an endpoint's AppChannel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "apps/http3/answer_memo.h"
#include "apps/http3/application.h"
#include "apps/http3/own_streams.h"
#include "apps/http3/qpack.h"
#include "apps/http3/request.h"
#include "apps/http3/stream_table.h"
#include "base/instant.h"
#include "base/slab.h"
#include "base/verdict.h"
#include "engine/app_channel.h"

namespace viaduct::http3 {

// Every number is a bound that a peer can reach and a test does.
struct ServerLimits {
  uint32_t max_connections = 4096;  // the endpoint's
  uint32_t max_requests = 16384;    // of all connections; the endpoint's streams
  uint32_t max_requests_per_connection = 128;
  uint32_t max_field_section = 16 << 10;  // RFC 9114 section 4.2.2; beyond: 431
  uint32_t max_gathered_sections = 256;   // header sections that arrive in parts, of all connections
  uint32_t max_gathered_per_connection = 16;
  uint32_t max_writes_ahead = 4;  // writes of a response that are not released yet
  // How long a shutdown leaves a connection open after its last response was acknowledged: the client's transport has
  // it all then, but its application may still be reading. A client that is done closes by itself.
  Duration linger = Duration::seconds(5);
  Duration goaway_grace = Duration::milliseconds(250);  // between the two GOAWAYs of a shutdown
};

// Pure: bytes, commands and time go in by arguments and rings. One thread.
class Server {
 public:
  // Responses' header sections take one chunk each (512 bytes of room or more). All arguments outlive it.
  Server(const ServerLimits& limits, quic::AppChannel& channel, ChunkPool& chunks, Application& application);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes events while there is room for the commands they may cause. True where something was done.
  bool step(Instant now);

  // --- the application's side ---

  // Begins (and with body_length == inline_body.size() also ends) a response: fields in order, after :status.
  // Of body_length content bytes the first ones are `inline_body`, copied; write() brings the rest. False, and
  // nothing happened, where there is no memory or room just now: try again after the next step. True for a request
  // that is gone. terms: while they hold, whoever asks with the same field section is answered so without being asked
  // about, where the answer is complete with this call, and the call made in on_request().
  bool respond(RequestId id, uint16_t status, std::span<const Field> fields, uint64_t body_length,
               Bytes inline_body = {}, const Repeatable* terms = nullptr);
  // No answer given so far may be repeated any more.
  void forget_answers() { answers_.forget_all(); }
  // How many write()s are possible now.
  size_t room(RequestId id);
  // Content bytes chunk[offset, offset + length). Takes over one reference of the caller's, whatever becomes of the
  // request. At most the body_length that was announced; the last byte of it ends the stream. Needs room().
  void write(RequestId id, Chunk* chunk, uint32_t offset, uint32_t length);
  // The response cannot be finished: the stream is reset with H3_INTERNAL_ERROR.
  void fail(RequestId id);
  // Writes of the response that are not released yet, its head's among them.
  uint32_t writes_in_flight(RequestId id);
  // Handle of the connection a request belongs to, for those who keep accounts; empty where it is gone.
  std::optional<quic::ConnectionHandle> connection_of(RequestId id);

  // --- the end ---

  // Sends GOAWAY to all, twice, and closes each connection once its requests are answered (RFC 9114 section 5.2).
  void shut_down(Instant now);
  bool is_shutting_down() const { return goaway_phase_ > 0; }
  // When step() has something to do without an event; only a shutdown has.
  Instant deadline() const;

  uint32_t connections() const { return connection_count_; }
  const PoolUse& requests() const { return requests_.use(); }
  // Answers that are kept, each in a chunk of the pool. Any thread.
  uint64_t remembered_answers() const { return answers_.chunks(); }
  const PoolUse& gathered_sections() const { return sections_.use(); }
  // One for each request and for each connection that ended.
  const VerdictCounters& verdicts() const { return verdicts_; }

 private:
  // --- server.cc: events ---
  void prefetch(std::span<const quic::Event> events);
  void on_event(const quic::Event& event);
  void on_opened(const quic::Event& event);
  void on_closed(const quic::Event& event);
  void on_data(Connection& connection, const quic::Event& event);
  void on_reset(Connection& connection, const quic::Event& event);
  void on_stop_sending(Connection& connection, const quic::Event& event);
  void on_released(const quic::Event& event);
  void on_delivered(const quic::Event& event);
  Connection* find_connection(quic::ConnectionHandle handle);
  bool has_command_room() const;
  void send(const quic::Command& command);
  void close(Connection& connection, Error error, Verdict verdict);
  void close(Connection& connection, Error error) { close(connection, error, verdict_of(error)); }
  void sweep_for_shutdown(Instant now);
  void want_sweep(Instant at);
  void send_goaway(Connection& connection);

  // --- server_requests.cc: what comes on request streams ---
  bool answer_again(const quic::Event& event);
  bool is_full(uint64_t more) const { return requests_.used() + repeated_ + more >= requests_.capacity(); }
  Request* find_request(quic::ConnectionHandle connection, uint64_t stream);
  Request* find_or_open_request(Connection& connection, uint64_t stream);
  void add_request(Connection& connection, uint64_t stream);
  void reject(Connection& connection, uint64_t stream);
  void read_request_bytes(Connection& connection, Request& request, Bytes bytes, bool fin);
  bool on_item(Connection& connection, Request& request, const MessageReader::Item& item);
  bool begin_section(Connection& connection, Request& request, uint64_t length);
  bool take_section_bytes(Connection& connection, Request& request, Bytes bytes);
  bool end_section(Connection& connection, Request& request, bool trailer);
  bool on_head(Connection& connection, Request& request, Bytes encoded);
  void on_end(Connection& connection, Request& request);
  void refuse_head(Request& request);
  void refuse_early(Request& request);
  void drop_section(Connection& connection, Request& request);

  // --- server_answers.cc: what goes ---
  void write(Request& request, const quic::Command& command);
  void write(Connection& connection, const quic::Command& command);
  void abort(Request& request, Error error, Verdict outcome);
  void settle(Request& request);
  void forget(Request& request);
  void note_quiet(Connection& connection);

  ServerLimits limits_;
  quic::AppChannel& channel_;
  ChunkPool& chunks_;
  Application& application_;
  OwnStreams own_;
  Qpack qpack_;
  FieldSection section_;
  AnswerMemo answers_;
  std::vector<Field> response_fields_;
  Pool<Request> requests_;
  BytePool sections_;
  StreamTable streams_;
  std::unique_ptr<std::optional<Connection>[]> connections_;
  uint32_t connection_count_ = 0;
  uint32_t repeated_ = 0;       // repeated answers under way, of all connections: each counts as a request
  Bytes whole_section_;         // the section of the event at hand, if it came whole
  Request* current_ = nullptr;  // the request whose bytes are being read; settled after
  Bytes repeatable_;          // the section that it asks with, if an answer may be remembered; while it is asked about
  uint8_t goaway_phase_ = 0;  // 0: serving; 1: announced; 2: no more requests
  uint32_t sweep_at_ = 0;
  Instant now_;
  Instant final_goaway_ = Instant::never();
  Instant next_sweep_ = Instant::never();
  Instant sweep_again_ = Instant::never();  // when there is something to do after the present sweep
  VerdictCounters verdicts_;
};

}  // namespace viaduct::http3
