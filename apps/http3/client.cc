#include "apps/http3/client.h"

#include <algorithm>
#include <cstring>

namespace viaduct::http3 {
namespace {

using quic::Command;
using quic::CommandType;
using quic::Event;
using quic::EventType;

constexpr size_t kMostClientCommands = 8;
// Writes of one request's content that are not released yet, and those that one event may add.
constexpr uint32_t kWritesAhead = 16;
constexpr int kWritesPerEvent = 4;

Settings our_settings(const ClientLimits& limits) {
  Settings settings;
  settings.max_field_section_size = limits.max_field_section;
  return settings;
}

}  // namespace

Client::Client(const ClientLimits& limits, quic::AppChannel& channel, ChunkPool& chunks, ClientHandler& handler)
    : limits_(limits),
      channel_(channel),
      chunks_(chunks),
      handler_(handler),
      own_(Role::kClient, our_settings(limits), chunks),
      section_(limits.max_field_section),
      responses_(limits.max_requests),
      sections_(limits.max_gathered_sections, limits.max_field_section),
      streams_(limits.max_requests),
      connections_(new std::optional<Connection>[limits.max_connections]) {
  request_fields_.reserve(64);
}

Client::~Client() {
  Event event;
  while (channel_.events.pop(event)) {
    if (event.type == EventType::kReleased) event.chunk->drop();
  }
}

bool Client::request(quic::ConnectionHandle handle, const RequestOptions& options) {
  Connection* connection = find_connection(handle);
  if (!connection || connection->is_closing || channel_.commands.room() < kMostClientCommands) return false;
  const Handle id = responses_.acquire();
  PooledChunk* chunk = id ? chunks_.acquire() : nullptr;
  if (!chunk) return responses_.release(id), false;

  request_fields_.assign(
      {{":method", options.method}, {":scheme", "https"}, {":authority", options.authority}, {":path", options.path}});
  request_fields_.insert(request_fields_.end(), options.fields.begin(), options.fields.end());
  ByteWriter out(chunk->room());
  out.varint(static_cast<uint64_t>(FrameType::kHeaders));
  out.varint(0, kHeadersFrameRoom - 1);
  qpack_.encode(request_fields_, out);
  ByteWriter length(chunk->room().subspan(1, kHeadersFrameRoom - 1));
  length.varint(out.size() - kHeadersFrameRoom, kHeadersFrameRoom - 1);
  if (options.content_length > 0) write_frame_header(out, FrameType::kData, options.content_length);
  if (!out.ok()) return chunk->drop(), responses_.release(id), false;

  Response* response = responses_.get(id);
  response->connection = handle;
  response->stream = connection->next_stream;
  response->cookie = options.cookie;
  response->is_head_request = options.method == "HEAD";
  response->content = options.content;
  response->content_left = options.content_length;
  ++response->writes_in_flight;
  streams_.insert(handle.index, response->stream, id);
  connection->responses.push_back(*response);
  connection->next_stream += 4;
  channel_.commands.push(Command{.type = CommandType::kWrite,
                                 .fin = options.content_length == 0,
                                 .connection = handle,
                                 .length = static_cast<uint32_t>(out.size()),
                                 .stream = response->stream,
                                 .chunk = chunk});
  return true;
}

void Client::close(quic::ConnectionHandle handle) {
  Connection* connection = find_connection(handle);
  if (!connection || connection->is_closing) return;
  connection->is_closing = true;
  channel_.commands.push(Command{.type = CommandType::kClose, .connection = handle, .error = code(Error::kNoError)});
}

bool Client::step() {
  bool worked = false;
  Event event;
  while (channel_.commands.room() >= kMostClientCommands && channel_.events.pop(event)) {
    on_event(event);
    worked = true;
  }
  return worked;
}

void Client::on_event(const Event& event) {
  switch (event.type) {
    case EventType::kOpened:
      if (event.connection.index >= limits_.max_connections) break;
      connections_[event.connection.index].emplace(event.connection);
      own_.open(channel_, event.connection);
      return handler_.on_connected(event.connection, event.value);
    case EventType::kClosed:
      return on_closed(event);
    case EventType::kReleased:
      return on_released(event);
    default:
      break;
  }
  Connection* connection = find_connection(event.connection);
  if (connection && !connection->is_closing) {
    if (event.type == EventType::kData) on_data(*connection, event);
    if (event.type == EventType::kReset) on_reset(*connection, event);
    if (event.type == EventType::kStopSending) {
      // The engine resets the stream by itself. The answer may come all the same (RFC 9114 section 4.1).
      if (Response* response = find_response(event.connection, event.stream)) response->content_left = 0;
    }
    if (event.type == EventType::kStopSending && own_.is_ours(event.stream))
      fail(*connection, Error::kClosedCriticalStream);
  }
  if (event.token != 0)
    channel_.commands.push(Command{
        .type = CommandType::kConsume, .connection = event.connection, .stream = event.stream, .token = event.token});
}

// A write that is done makes room for the next.
void Client::on_released(const Event& event) {
  event.chunk->drop();
  Response* response = find_response(event.connection, event.stream);
  if (!response) return;
  --response->writes_in_flight;
  write_content(*response);
}

void Client::write_content(Response& response) {
  for (int i = 0; i < kWritesPerEvent && response.content_left > 0 && response.writes_in_flight < kWritesAhead; ++i) {
    const auto length = static_cast<uint32_t>(std::min<uint64_t>(response.content_left, response.content->size()));
    response.content_left -= length;
    ++response.writes_in_flight;
    response.content->hold();
    channel_.commands.push(Command{.type = CommandType::kWrite,
                                   .fin = response.content_left == 0,
                                   .connection = response.connection,
                                   .length = length,
                                   .stream = response.stream,
                                   .chunk = response.content});
  }
}

// The answer is there, or will not come: what was to be sent is not needed any more.
void Client::abandon_content(Response& response) {
  if (response.content_left == 0) return;
  response.content_left = 0;
  channel_.commands.push(Command{.type = CommandType::kReset,
                                 .connection = response.connection,
                                 .stream = response.stream,
                                 .error = code(Error::kNoError)});
}

// Also of connections that never opened: connect() that failed.
void Client::on_closed(const Event& event) {
  Connection* connection = find_connection(event.connection);
  if (connection) {
    while (Response* response = connection->responses.front()) finish(*response, {.error = event.error});
    connections_[event.connection.index].reset();
  }
  handler_.on_disconnected(event.connection, event.error, event.application_error);
}

void Client::on_data(Connection& connection, const Event& event) {
  const Bytes bytes{event.data, event.length};
  if (event.stream % 4 == 0) {
    Response* response = find_response(event.connection, event.stream);
    if (response) read_response(connection, *response, bytes, event.fin);
    return;
  }
  // Nobody lets servers open bidirectional streams (RFC 9114 section 6.1).
  if (event.stream % 4 == 1) return fail(connection, Error::kStreamCreationError);
  const PeerStreams::Outcome outcome = connection.peer.on_data(event.stream, bytes, event.fin, connection.idle);
  if (outcome.error) return fail(connection, *outcome.error);
  if (outcome.stop)
    channel_.commands.push(Command{.type = CommandType::kStopSending,
                                   .connection = event.connection,
                                   .stream = event.stream,
                                   .error = code(Error::kStreamCreationError)});
}

void Client::on_reset(Connection& connection, const Event& event) {
  if (event.stream % 4 == 3) {
    const PeerStreams::Outcome outcome = connection.peer.on_reset(event.stream);
    if (outcome.error) fail(connection, *outcome.error);
    return;
  }
  Response* response = find_response(event.connection, event.stream);
  if (response) finish(*response, {.is_reset = true, .error = event.error});
}

void Client::read_response(Connection& connection, Response& response, Bytes bytes, bool fin) {
  for (;;) {
    const MessageReader::Item item = response.reader.next(bytes);
    if (item.kind == MessageReader::Item::Kind::kNone) break;
    if (!on_item(connection, response, item)) return;
  }
  if (fin) on_fin(connection, response);
}

// False where the response is over, and gone.
bool Client::on_item(Connection& connection, Response& response, const MessageReader::Item& item) {
  using Kind = MessageReader::Item::Kind;
  switch (item.kind) {
    case Kind::kNone:
      return true;
    case Kind::kError:
      return fail(connection, item.error), false;
    case Kind::kIdle:
      if (connection.idle.count()) return true;
      return fail(connection, Error::kExcessiveLoad), false;
    case Kind::kSectionBegin:
      if (item.length > limits_.max_field_section) return reject(response, Error::kExcessiveLoad), false;
      response.section_length = item.length;
      response.section_used = 0;
      whole_section_ = {};
      return true;
    case Kind::kSectionBytes:
      return take_section_bytes(connection, response, item.bytes);
    case Kind::kSectionEnd:
      return end_section(connection, response, item.trailer);
    case Kind::kContent:
      response.content_received += item.bytes.size();
      if (response.content_length && response.content_received > *response.content_length)
        return reject(response, Error::kMessageError), false;
      handler_.on_body(response.cookie, item.bytes);
      return true;
  }
  return true;
}

bool Client::take_section_bytes(Connection&, Response& response, Bytes bytes) {
  if (bytes.size() == response.section_length) {
    whole_section_ = bytes;
    return true;
  }
  if (!response.section) response.section = sections_.acquire();
  if (!response.section) return reject(response, Error::kExcessiveLoad), false;
  std::memcpy(response.section + response.section_used, bytes.data(), bytes.size());
  response.section_used += static_cast<uint32_t>(bytes.size());
  return true;
}

bool Client::end_section(Connection& connection, Response& response, bool trailer) {
  const Bytes block = response.section ? Bytes{response.section, response.section_used} : whole_section_;
  const Qpack::Outcome outcome = qpack_.decode(block, section_);
  if (response.section) sections_.release(response.section);
  response.section = nullptr;
  if (outcome == Qpack::Outcome::kInvalid) return fail(connection, Error::kQpackDecompressionFailed), false;
  if (outcome == Qpack::Outcome::kTooLarge) return reject(response, Error::kExcessiveLoad), false;
  if (trailer) return is_valid_trailer(section_) || (reject(response, Error::kMessageError), false);
  const auto head = http3::read_response(section_);
  if (!head) return reject(response, Error::kMessageError), false;
  if (head->is_interim()) {
    response.reader.expect_another_head();
  } else {
    response.has_head = true;
    connection.idle.forgive();
    const bool has_content = !response.is_head_request && head->status != 304;
    response.content_length = has_content ? head->content_length : 0;
  }
  handler_.on_head(response.cookie, *head);
  return true;
}

void Client::on_fin(Connection& connection, Response& response) {
  const MessageReader::End end = response.reader.finish();
  if (end == MessageReader::End::kInsideFrame) return fail(connection, Error::kFrameError);
  const bool is_whole = end == MessageReader::End::kComplete &&
                        (!response.content_length || response.content_received == *response.content_length);
  abandon_content(response);
  if (!is_whole) return finish(response, {.error = code(Error::kMessageError)});
  finish(response, {.is_complete = true});
}

Client::Connection* Client::find_connection(quic::ConnectionHandle handle) {
  if (handle.index >= limits_.max_connections) return nullptr;
  std::optional<Connection>& slot = connections_[handle.index];
  return slot && slot->handle == handle ? &*slot : nullptr;
}

Client::Response* Client::find_response(quic::ConnectionHandle connection, uint64_t stream) {
  Response* response = responses_.get(streams_.find(connection.index, stream));
  return response && response->connection == connection ? response : nullptr;
}

// Ends the connection; its requests end now, on_disconnected() follows.
void Client::fail(Connection& connection, Error error) {
  connection.is_closing = true;
  channel_.commands.push(Command{.type = CommandType::kClose, .connection = connection.handle, .error = code(error)});
  while (Response* response = connection.responses.front()) finish(*response, {.error = code(error)});
}

void Client::reject(Response& response, Error error) {
  channel_.commands.push(Command{.type = CommandType::kStopSending,
                                 .connection = response.connection,
                                 .stream = response.stream,
                                 .error = code(error)});
  finish(response, {.error = code(error)});
}

void Client::finish(Response& response, const Ending& ending) {
  if (response.section) sections_.release(response.section);
  streams_.erase(response.connection.index, response.stream);
  const uint64_t cookie = response.cookie;
  responses_.release(responses_.handle_of(response));
  handler_.on_end(cookie, ending);
}

const Settings* Client::settings(quic::ConnectionHandle handle) {
  Connection* connection = find_connection(handle);
  return connection ? connection->peer.settings() : nullptr;
}

std::optional<uint64_t> Client::goaway(quic::ConnectionHandle handle) {
  Connection* connection = find_connection(handle);
  return connection ? connection->peer.goaway() : std::nullopt;
}

}  // namespace viaduct::http3
