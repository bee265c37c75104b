// What comes on request streams.
#include <cstring>

#include "apps/http3/server.h"

namespace viaduct::http3 {
namespace {

// RFC 9001 section 9.2: whoever recorded a client's 0-RTT packets can send them once more.
bool is_replay_safe(std::string_view method) { return method == "GET" || method == "HEAD"; }

}  // namespace

Request* Server::find_request(quic::ConnectionHandle connection, uint64_t stream) {
  if (stream % 4 != 0) return nullptr;
  Request* request = requests_.get(streams_.find(connection.index, stream));
  return request && request->connection == connection ? request : nullptr;
}

// Null for a stream that is over, and for one that is refused or whose connection is closed for it.
Request* Server::find_or_open_request(Connection& connection, uint64_t stream) {
  if (stream < connection.next_stream) return find_request(connection.handle, stream);
  const uint64_t skipped = (stream - connection.next_stream) / 4;
  const bool is_too_many =
      connection.request_count + skipped >= limits_.max_requests_per_connection || is_full(skipped);
  if (stream >= StreamTable::kMaxStream || (is_too_many && skipped > 0)) {
    close(connection, Error::kExcessiveLoad);
    return nullptr;
  }
  if (is_too_many || connection.goaways_sent == 2) {
    connection.next_stream = stream + 4;
    reject(connection, stream);
    return nullptr;
  }
  for (; connection.next_stream <= stream; connection.next_stream += 4) add_request(connection, connection.next_stream);
  return find_request(connection.handle, stream);
}

void Server::add_request(Connection& connection, uint64_t stream) {
  const Handle handle = requests_.acquire();
  Request* request = requests_.get(handle);
  request->connection = connection.handle;
  request->stream = stream;
  streams_.insert(connection.handle.index, stream, handle);
  connection.requests.push_back(*request);
  ++connection.request_count;
}

// RFC 9114 section 4.1.1: nothing was done for it, so the client may try again elsewhere.
void Server::reject(Connection& connection, uint64_t stream) {
  verdicts_.count(kRequestRejected);
  for (const auto type : {quic::CommandType::kStopSending, quic::CommandType::kReset})
    send({.type = type, .connection = connection.handle, .stream = stream, .error = code(Error::kRequestRejected)});
}

void Server::read_request_bytes(Connection& connection, Request& request, Bytes bytes, bool fin) {
  request.has_data = true;
  current_ = &request;
  bool goes_on = true;
  while (goes_on) {
    const MessageReader::Item item = request.reader.next(bytes);
    if (item.kind == MessageReader::Item::Kind::kNone) break;
    goes_on = on_item(connection, request, item);
  }
  if (goes_on && fin) on_end(connection, request);
  current_ = nullptr;
  if (!connection.is_closing) settle(request);  // else it is forgotten with the connection
}

// False where nothing more of the request is to be read.
bool Server::on_item(Connection& connection, Request& request, const MessageReader::Item& item) {
  using Kind = MessageReader::Item::Kind;
  switch (item.kind) {
    case Kind::kNone:
      return true;
    case Kind::kError:
      close(connection, item.error);
      return false;
    case Kind::kIdle:
      if (connection.idle.count()) return true;
      close(connection, Error::kExcessiveLoad);
      return false;
    case Kind::kSectionBegin:
      return begin_section(connection, request, item.length);
    case Kind::kSectionBytes:
      return take_section_bytes(connection, request, item.bytes);
    case Kind::kSectionEnd:
      return end_section(connection, request, item.trailer);
    case Kind::kContent:
      request.content_received += item.bytes.size();
      if (!request.content_length || request.content_received <= *request.content_length) return true;
      abort(request, Error::kMessageError, kRequestMalformed);
      return false;
  }
  return true;
}

bool Server::begin_section(Connection&, Request& request, uint64_t length) {
  request.section_length = length;
  request.section_used = 0;
  // Decoding makes a section larger but for freak encodings, so what is too large encoded need not be looked at.
  request.section_too_large = length > limits_.max_field_section;
  whole_section_ = {};
  return true;
}

bool Server::take_section_bytes(Connection& connection, Request& request, Bytes bytes) {
  if (request.section_too_large) return true;
  if (bytes.size() == request.section_length) {
    whole_section_ = bytes;
    return true;
  }
  if (!request.section) {
    const bool allowed = connection.sections_gathered < limits_.max_gathered_per_connection;
    request.section = allowed ? sections_.acquire() : nullptr;
    if (!request.section) {
      abort(request, Error::kRequestRejected, kRequestRejected);
      return false;
    }
    ++connection.sections_gathered;
  }
  std::memcpy(request.section + request.section_used, bytes.data(), bytes.size());
  request.section_used += static_cast<uint32_t>(bytes.size());
  return true;
}

bool Server::end_section(Connection& connection, Request& request, bool trailer) {
  Qpack::Outcome outcome = Qpack::Outcome::kTooLarge;
  if (!request.section_too_large) {
    const Bytes block = request.section ? Bytes{request.section, request.section_used} : whole_section_;
    outcome = qpack_.decode(block, section_);
  }
  const Bytes whole = request.section ? Bytes{} : whole_section_;
  drop_section(connection, request);
  if (outcome == Qpack::Outcome::kInvalid) {
    close(connection, Error::kQpackDecompressionFailed);
    return false;
  }
  if (trailer) {
    if (outcome == Qpack::Outcome::kDone && is_valid_trailer(section_)) return true;
    abort(request, Error::kMessageError, kRequestMalformed);
    return false;
  }
  ++connection.asked_count;
  request.is_asked = true;
  if (outcome == Qpack::Outcome::kTooLarge) {
    refuse_head(request);
    return false;
  }
  return on_head(connection, request, whole);
}

// encoded: the section as it came; empty where it came in parts.
bool Server::on_head(Connection& connection, Request& request, Bytes encoded) {
  const auto head = read_request(section_);
  if (!head) {
    abort(request, Error::kMessageError, kRequestMalformed);
    return false;
  }
  request.content_length = head->content_length;
  connection.idle.forgive();
  if (request.is_early && !is_replay_safe(head->method)) {
    refuse_early(request);
    return false;
  }
  // An answer that announced content may still turn out to be one to a malformed request.
  const bool is_repeatable = is_replay_safe(head->method) && head->content_length.value_or(0) == 0;
  repeatable_ = is_repeatable ? encoded : Bytes{};
  application_.on_request(requests_.handle_of(request), *head);
  repeatable_ = {};
  return !request.is_aborted;
}

// RFC 9114 section 4.2.2, RFC 6585 section 5.
void Server::refuse_head(Request& request) {
  static constexpr std::string_view kText = "The request's header section is too large.\n";
  static constexpr Field kFields[] = {{"content-type", "text/plain; charset=utf-8"}, {"content-length", "43"}};
  static_assert(kText.size() == 43);
  const Bytes body{reinterpret_cast<const uint8_t*>(kText.data()), kText.size()};
  if (!respond(requests_.handle_of(request), 431, kFields, body.size(), body))
    return abort(request, Error::kExcessiveLoad, kRequestHeadTooLarge);
  request.outcome = kRequestHeadTooLarge;
}

// RFC 8470 section 5.2: the client asks again when the handshake is complete.
void Server::refuse_early(Request& request) {
  if (!respond(requests_.handle_of(request), 425, {}, 0))
    return abort(request, Error::kRequestRejected, kRequestTooEarly);
  request.outcome = kRequestTooEarly;
}

void Server::on_end(Connection& connection, Request& request) {
  switch (request.reader.finish()) {
    case MessageReader::End::kInsideFrame:
      return close(connection, Error::kFrameError);
    case MessageReader::End::kNoHead:
      request.receive_done = true;
      return abort(request, Error::kRequestIncomplete, kRequestIncomplete);
    case MessageReader::End::kComplete:
      break;
  }
  request.receive_done = true;
  if (request.content_length && request.content_received != *request.content_length)
    return abort(request, Error::kMessageError, kRequestMalformed);
  if (!request.send_done) application_.on_content_end(requests_.handle_of(request), request.content_received);
}

void Server::drop_section(Connection& connection, Request& request) {
  if (!request.section) return;
  sections_.release(request.section);
  request.section = nullptr;
  --connection.sections_gathered;
}

}  // namespace viaduct::http3
