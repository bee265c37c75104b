#include "apps/http3/server.h"

#include <algorithm>
#include <array>

#include "base/cache_line.h"

namespace viaduct::http3 {
namespace {

using quic::Command;
using quic::CommandType;
using quic::Event;
using quic::EventType;

// No event, answer or sweep of one connection causes more commands than this.
constexpr size_t kMostCommands = 16;
constexpr size_t kEventsAtOnce = 16;
constexpr uint32_t kSweepStep = 256;
constexpr Duration kSweepInterval = Duration::milliseconds(5);

bool is_request_stream(uint64_t stream) { return stream % 4 == 0; }

Settings our_settings(const ServerLimits& limits) {
  Settings settings;
  settings.max_field_section_size = limits.max_field_section;
  return settings;
}

}  // namespace

Server::Server(const ServerLimits& limits, quic::AppChannel& channel, ChunkPool& chunks, Application& application)
    : limits_(limits),
      channel_(channel),
      chunks_(chunks),
      application_(application),
      own_(Role::kServer, our_settings(limits), chunks),
      section_(limits.max_field_section),
      requests_(limits.max_requests),
      sections_(limits.max_gathered_sections, limits.max_field_section),
      streams_(limits.max_requests),
      connections_(new std::optional<Connection>[limits.max_connections]) {
  response_fields_.reserve(64);
}

Server::~Server() {
  // What the endpoint has not said any more: references that came back too late to be read.
  Event event;
  while (channel_.events.pop(event)) {
    if (event.type == EventType::kReleased) event.chunk->drop();
  }
}

bool Server::has_command_room() const { return channel_.commands.room() >= kMostCommands; }

void Server::send(const Command& command) { channel_.commands.push(command); }

bool Server::step(Instant now) {
  now_ = now;
  bool worked = false;
  for (;;) {
    const size_t most = std::min(kEventsAtOnce, channel_.commands.room(kMostCommands * kEventsAtOnce) / kMostCommands);
    const std::span<const Event> events = channel_.events.front(most);
    if (events.empty()) break;
    prefetch(events);
    for (const Event& event : events) on_event(event);
    channel_.events.drop_front(events.size());
    worked = true;
  }
  if (goaway_phase_ > 0 && now >= std::min(next_sweep_, final_goaway_)) sweep_for_shutdown(now);
  return worked;
}

// What the events of many requests need lies in as many places, mostly in far caches: it is asked for all at once.
void Server::prefetch(std::span<const Event> events) {
  if (requests_.used() == 0) return;
  for (const Event& event : events) {
    streams_.prefetch(event.connection.index, event.stream);
    if (event.type == EventType::kReleased) __builtin_prefetch(event.chunk, 1);
    if (event.type == EventType::kData) __builtin_prefetch(event.data);
  }
  for (const Event& event : events) {
    const RequestId id = streams_.find(event.connection.index, event.stream);
    const Request* request = requests_.get(id);
    if (!request) continue;
    application_.prefetch(id);
    prefetch_object<Access::kWrite>(*request);
  }
}

void Server::on_event(const Event& event) {
  switch (event.type) {
    case EventType::kOpened:
      return on_opened(event);
    case EventType::kClosed:
      return on_closed(event);
    case EventType::kReleased:
      return on_released(event);
    case EventType::kDelivered:
      return on_delivered(event);
    default:
      break;
  }
  if (answer_again(event)) return;
  Connection* connection = find_connection(event.connection);
  if (connection && !connection->is_closing) {
    if (event.type == EventType::kData) on_data(*connection, event);
    if (event.type == EventType::kReset) on_reset(*connection, event);
    if (event.type == EventType::kStopSending) on_stop_sending(*connection, event);
  }
  if (event.token != 0)
    send({.type = CommandType::kConsume, .connection = event.connection, .stream = event.stream, .token = event.token});
}

Connection* Server::find_connection(quic::ConnectionHandle handle) {
  if (handle.index >= limits_.max_connections) return nullptr;
  std::optional<Connection>& slot = connections_[handle.index];
  return slot && slot->handle == handle ? &*slot : nullptr;
}

void Server::on_opened(const Event& event) {
  if (event.connection.index >= limits_.max_connections || goaway_phase_ == 2) {
    verdicts_.count(kConnectionRefused);
    return send({.type = CommandType::kClose, .connection = event.connection, .error = code(Error::kNoError)});
  }
  connections_[event.connection.index].emplace(event.connection);
  ++connection_count_;
  own_.open(channel_, event.connection);
  if (goaway_phase_ > 0) want_sweep(now_);
}

void Server::on_closed(const Event& event) {
  Connection* connection = find_connection(event.connection);
  if (!connection) return;
  if (!connection->is_closing) {
    verdicts_.count(kConnectionEnded);
    connection->is_closing = true;
  }
  while (Request* request = connection->requests.front()) {
    request->outcome = request->send_done && !request->is_aborted ? kRequestAnswered : kRequestLost;
    forget(*request);
  }
  repeated_ -= connection->repeated;
  connections_[event.connection.index].reset();
  --connection_count_;
}

void Server::on_data(Connection& connection, const Event& event) {
  const Bytes bytes{event.data, event.length};
  if (is_request_stream(event.stream)) {
    Request* request = find_or_open_request(connection, event.stream);
    if (request) request->is_early |= event.early;
    if (request && !request->receive_done) read_request_bytes(connection, *request, bytes, event.fin);
    return;
  }
  const PeerStreams::Outcome outcome = connection.peer.on_data(event.stream, bytes, event.fin, connection.idle);
  if (outcome.error) return close(connection, *outcome.error);
  if (outcome.stop)
    send({.type = CommandType::kStopSending,
          .connection = event.connection,
          .stream = event.stream,
          .error = code(Error::kStreamCreationError)});
}

// RFC 9114 section 4.1.1: what was cut off is not worth an answer.
void Server::on_reset(Connection& connection, const Event& event) {
  if (!is_request_stream(event.stream)) {
    const PeerStreams::Outcome outcome = connection.peer.on_reset(event.stream);
    if (outcome.error) close(connection, *outcome.error);
    return;
  }
  Request* request = find_or_open_request(connection, event.stream);
  if (!request || request->receive_done) return;
  request->has_data = true;
  request->receive_done = true;
  if (request->send_done) return settle(*request);
  abort(*request, Error::kRequestCancelled, kRequestCancelled);
}

void Server::on_stop_sending(Connection& connection, const Event& event) {
  if (own_.is_ours(event.stream)) return close(connection, Error::kClosedCriticalStream);
  Request* request = find_or_open_request(connection, event.stream);
  if (!request || request->is_aborted) return;
  // The engine resets our side by itself; what the peer still sends has no reader.
  request->send_done = request->is_aborted = true;
  request->outcome = kRequestCancelled;
  settle(*request);
}

void Server::on_released(const Event& event) {
  event.chunk->drop();
  if (!is_request_stream(event.stream)) return;
  Connection* connection = find_connection(event.connection);
  if (connection && --connection->writes_in_flight == 0) note_quiet(*connection);
  Request* request = find_request(event.connection, event.stream);
  if (!request) return;
  --request->writes_in_flight;
  if (!request->send_done && request->has_head) application_.on_writable(requests_.handle_of(*request));
  request = find_request(event.connection, event.stream);
  if (request) settle(*request);
}

// Answers that were repeated.
void Server::on_delivered(const Event& event) {
  Connection* connection = find_connection(event.connection);
  if (!connection) return;
  const auto count = static_cast<uint32_t>(event.value);
  connection->writes_in_flight -= count;
  connection->repeated -= count;
  repeated_ -= count;
  if (connection->writes_in_flight == 0) note_quiet(*connection);
}

void Server::close(Connection& connection, Error error, Verdict verdict) {
  if (connection.is_closing) return;
  connection.is_closing = true;
  verdicts_.count(verdict);
  send({.type = CommandType::kClose, .connection = connection.handle, .error = code(error)});
  while (Request* request = connection.requests.front()) {
    request->outcome = kRequestLost;
    forget(*request);
  }
}

// --- shutdown (RFC 9114 section 5.2) -----------------------------------------------------------

void Server::shut_down(Instant now) {
  if (goaway_phase_ > 0) return;
  goaway_phase_ = 1;
  final_goaway_ = now + limits_.goaway_grace;
  next_sweep_ = now;
}

Instant Server::deadline() const {
  if (goaway_phase_ == 0 || connection_count_ == 0) return Instant::never();
  return std::min(next_sweep_, final_goaway_);
}

// A stretch of the connections at a time: says GOAWAY where it was not said yet, and closes who has nothing open.
void Server::sweep_for_shutdown(Instant now) {
  if (now >= final_goaway_) {
    goaway_phase_ = 2;
    final_goaway_ = sweep_again_ = Instant::never();
    sweep_at_ = 0;
  }
  for (uint32_t i = 0; i < kSweepStep && has_command_room() && sweep_at_ < limits_.max_connections; ++i, ++sweep_at_) {
    std::optional<Connection>& connection = connections_[sweep_at_];
    if (!connection || connection->is_closing) continue;
    if (connection->goaways_sent < goaway_phase_) send_goaway(*connection);
    if (connection->goaways_sent < goaway_phase_) want_sweep(now);
    if (goaway_phase_ < 2 || !connection->is_quiet()) continue;
    if (now - connection->quiet_since >= limits_.linger) {
      close(*connection, Error::kNoError, kConnectionEnded);
    } else {
      want_sweep(connection->quiet_since + limits_.linger);
    }
  }
  const bool is_round_done = sweep_at_ >= limits_.max_connections;
  next_sweep_ = is_round_done ? std::max(sweep_again_, now + kSweepInterval) : now;
  if (!is_round_done) return;
  sweep_at_ = 0;
  sweep_again_ = Instant::never();
}

void Server::want_sweep(Instant at) {
  next_sweep_ = std::min(next_sweep_, at);
  sweep_again_ = std::min(sweep_again_, at);
}

void Server::send_goaway(Connection& connection) {
  PooledChunk* chunk = chunks_.acquire();
  if (!chunk) return;
  // First the largest id there is, so that nothing on its way is lost; then what will be served and no more.
  connection.goaways_sent = goaway_phase_;
  ByteWriter out(chunk->room());
  write_integer_frame(out, FrameType::kGoaway, goaway_phase_ == 1 ? kMaxVarint - 3 : connection.next_stream);
  send({.type = CommandType::kWrite,
        .connection = connection.handle,
        .length = static_cast<uint32_t>(out.size()),
        .stream = own_.control_stream(),
        .chunk = chunk});
}

}  // namespace viaduct::http3
