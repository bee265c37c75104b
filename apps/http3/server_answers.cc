// What goes out: responses, resets, and the end of a request.
#include <algorithm>
#include <array>
#include <cassert>

#include "apps/http3/server.h"

namespace viaduct::http3 {
namespace {

using quic::CommandType;

std::array<char, 3> digits(uint16_t status) {
  return {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
          static_cast<char>('0' + status % 10)};
}

}  // namespace

// The same answer as to whoever asked with this very section before, where the request is nothing else. It is over with
// that: no state of its own is needed.
bool Server::answer_again(const quic::Event& event) {
  if (event.type != quic::EventType::kData || !event.fin || event.stream >= StreamTable::kMaxStream) return false;
  Connection* connection = find_connection(event.connection);
  const bool is_open = connection && !connection->is_closing && connection->goaways_sent < 2;
  if (!is_open || event.stream != connection->next_stream || is_full(0)) return false;
  const AnswerMemo::Answer* answer = answers_.find(only_section({event.data, event.length}), now_);
  if (!answer) return false;
  connection->next_stream += 4;
  connection->idle.forgive();
  ++connection->writes_in_flight;
  ++connection->repeated;
  ++repeated_;
  answer->chunk->hold();
  // Member by member, where it is to be: there is room for what an event may cause.
  quic::Command& write = *channel_.commands.free_slot();
  write.type = CommandType::kWrite;
  write.fin = write.quiet = true;
  write.connection = event.connection;
  write.offset = 0;
  write.length = answer->length;
  write.stream = event.stream;
  write.chunk = answer->chunk;
  write.token = event.token;
  write.error = 0;
  channel_.commands.push_filled();
  verdicts_.count(kRequestAnswered);
  application_.on_repeated(answer->terms.mark);
  return true;
}

bool Server::respond(RequestId id, uint16_t status, std::span<const Field> fields, uint64_t body_length,
                     Bytes inline_body, const Repeatable* terms) {
  Request* request = requests_.get(id);
  if (!request || request->send_done || request->has_head) return true;
  if (!has_command_room()) return false;
  PooledChunk* chunk = chunks_.acquire();
  if (!chunk) return false;

  const std::array<char, 3> text = digits(status);
  response_fields_.assign(1, {":status", {text.data(), text.size()}});
  response_fields_.insert(response_fields_.end(), fields.begin(), fields.end());
  // HEADERS, DATA's header for the whole body, and what of the body is small: one chunk, one write. The file's own
  // bytes then follow as they are.
  const MutableBytes room = chunk->room();
  ByteWriter out(room);
  out.varint(static_cast<uint64_t>(FrameType::kHeaders));
  out.varint(0, kHeadersFrameRoom - 1);
  qpack_.encode(response_fields_, out);
  ByteWriter length(room.subspan(1, kHeadersFrameRoom - 1));
  length.varint(out.size() - kHeadersFrameRoom, kHeadersFrameRoom - 1);
  if (body_length > 0) write_frame_header(out, FrameType::kData, body_length);
  out.bytes(inline_body);
  if (!out.ok()) {
    chunk->drop();
    abort(*request, Error::kInternalError, kRequestFailed);
    return true;
  }
  request->has_head = true;
  request->body_left = body_length - inline_body.size();
  request->send_done = request->body_left == 0;
  const auto size = static_cast<uint32_t>(out.size());
  if (terms && request == current_ && request->send_done) answers_.remember(repeatable_, {chunk, size, *terms}, now_);
  write(*request, {.type = CommandType::kWrite,
                   .fin = request->send_done,
                   .connection = request->connection,
                   .length = size,
                   .stream = request->stream,
                   .chunk = chunk});
  settle(*request);
  return true;
}

size_t Server::room(RequestId id) {
  const Request* request = requests_.get(id);
  if (!request || !request->has_head || request->send_done || !has_command_room()) return 0;
  return limits_.max_writes_ahead - std::min(limits_.max_writes_ahead, request->writes_in_flight);
}

uint32_t Server::writes_in_flight(RequestId id) {
  const Request* request = requests_.get(id);
  return request ? request->writes_in_flight : 0;
}

void Server::write(RequestId id, Chunk* chunk, uint32_t offset, uint32_t length) {
  Request* request = requests_.get(id);
  if (!request || request->send_done) return chunk->drop();
  assert(request->has_head && length > 0 && length <= request->body_left);
  request->body_left -= length;
  request->send_done = request->body_left == 0;
  write(*request, {.type = CommandType::kWrite,
                   .fin = request->send_done,
                   .connection = request->connection,
                   .offset = offset,
                   .length = length,
                   .stream = request->stream,
                   .chunk = chunk});
  settle(*request);
}

void Server::write(Request& request, const quic::Command& command) {
  ++request.writes_in_flight;
  write(*find_connection(request.connection), command);
}

// Of a response. kReleased will come.
void Server::write(Connection& connection, const quic::Command& command) {
  ++connection.writes_in_flight;
  send(command);
}

void Server::fail(RequestId id) {
  Request* request = requests_.get(id);
  if (request && !request->is_aborted) abort(*request, Error::kInternalError, kRequestFailed);
}

std::optional<quic::ConnectionHandle> Server::connection_of(RequestId id) {
  const Request* request = requests_.get(id);
  return request ? std::optional(request->connection) : std::nullopt;
}

// Resets what we send and asks for no more of what the peer sends.
void Server::abort(Request& request, Error error, Verdict outcome) {
  request.outcome = outcome;
  if (!request.send_done)
    send({.type = CommandType::kReset,
          .connection = request.connection,
          .stream = request.stream,
          .error = code(error)});
  request.send_done = request.is_aborted = true;
  if (!request.receive_done)
    send({.type = CommandType::kStopSending,
          .connection = request.connection,
          .stream = request.stream,
          .error = code(error)});
  request.receive_done = true;
  settle(request);
}

// Ends a request when there is nothing left to do for it.
void Server::settle(Request& request) {
  if (&request == current_ || !request.send_done) return;
  if (!request.receive_done) {
    // The answer is complete, so the rest of the request is not needed (RFC 9114 section 4.1).
    request.receive_done = true;
    send({.type = CommandType::kStopSending,
          .connection = request.connection,
          .stream = request.stream,
          .error = code(Error::kNoError)});
  }
  if (request.writes_in_flight == 0 || request.is_aborted) forget(request);
}

// Its outcome is counted here and nowhere else. A stream that was skipped and never used has none.
void Server::forget(Request& request) {
  Connection* connection = find_connection(request.connection);
  if (request.has_data || request.is_asked) verdicts_.count(request.outcome);
  if (connection) {
    drop_section(*connection, request);
    --connection->request_count;
    if (request.is_asked) {
      --connection->asked_count;
      note_quiet(*connection);
    }
  }
  streams_.erase(request.connection.index, request.stream);
  const RequestId id = requests_.handle_of(request);
  const bool tell = request.is_asked;
  requests_.release(id);
  if (tell) application_.on_gone(id);
}

// A request is over, or a response was delivered.
void Server::note_quiet(Connection& connection) {
  connection.quiet_since = now_;
  const bool is_waited_for = goaway_phase_ == 2 && connection.is_quiet() && !connection.is_closing;
  if (is_waited_for) want_sweep(now_ + limits_.linger);
}

}  // namespace viaduct::http3
