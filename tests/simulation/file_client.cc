#include "tests/simulation/file_client.h"

#include <algorithm>
#include <array>

namespace viaduct::sim {

using quic::CommandType;
using quic::Event;
using quic::EventType;

namespace {

// A request's bytes, which go when the engine has released them.
struct RequestChunk : Chunk {
  explicit RequestChunk(const Transfer& transfer)
      : Chunk(bytes, kRequestSize, [](Chunk* chunk) { delete static_cast<RequestChunk*>(chunk); }) {
    ByteWriter writer(bytes);
    writer.u64(transfer.download);
    writer.u64(transfer.upload);
  }
  uint8_t bytes[kRequestSize];
};

}  // namespace

bool FileClient::all_done(size_t connections) const {
  return connections_.size() == connections && std::ranges::all_of(connections_, [&](const auto& entry) {
           return entry.second.closed || entry.second.streams_done == options_.transfers.size();
         });
}

bool FileClient::all_closed(size_t connections) const {
  return connections_.size() == connections &&
         std::ranges::all_of(connections_, [](const auto& entry) { return entry.second.closed; });
}

void FileClient::close(uint64_t cookie, uint64_t error) {
  for (const auto& [handle, session] : sessions_) {
    if (session.cookie == cookie) command({.type = CommandType::kClose, .connection = handle, .error = error});
  }
}

void FileClient::on_event(const Event& event, Instant now) {
  if (event.type == EventType::kOpened) return on_open(event, now);
  if (event.type == EventType::kClosed) return on_closed(event, now);
  const auto found = sessions_.find(event.connection);
  if (found == sessions_.end()) {
    // Writes that were on their way when the connection ended come back after kClosed.
    if (event.type != EventType::kReleased) fail("an event came for no connection");
    return;
  }
  Session& session = found->second;
  const auto stream = session.streams.find(event.stream);
  switch (event.type) {
    case EventType::kData:
      on_data(event, session);
      break;
    case EventType::kReset:
      if (!session.abandoned.contains(event.stream)) fail("the server reset a stream");
      break;
    case EventType::kReleased:
      connections_[session.cookie].heard = true;
      if (stream != session.streams.end()) {
        stream->second.upload.unreleased -= std::min<uint64_t>(event.length, stream->second.upload.unreleased);
        pump(event.connection, event.stream, stream->second.upload);
      }
      break;
    default:
      break;
  }
  settle(event.connection, session, now);
}

void FileClient::started(Handle handle, uint64_t cookie) {
  sessions_[handle].cookie = cookie;
  connections_[cookie];
}

void FileClient::on_open(const Event& event, Instant now) {
  Connection& connection = connections_[event.value];
  if (connection.opened) fail("a connection opened twice");
  connection.opened = true;
  connection.opened_at = now;
  if (options_.heartbeat > Duration()) next_heartbeat_ = std::min(next_heartbeat_, now + options_.heartbeat);
  Session& session = sessions_[event.connection];
  open_streams(event.connection, session);
  settle(event.connection, session, now);
}

void FileClient::on_closed(const Event& event, Instant now) {
  const auto session = sessions_.find(event.connection);
  if (session == sessions_.end()) return fail("no such connection was open");
  Connection& connection = connections_[session->second.cookie];
  connection.closed = true;
  connection.closed_at = now;
  connection.error = event.error;
  connection.application_error = event.application_error;
  sessions_.erase(session);
}

void FileClient::on_run(Instant now) {
  if (now < next_heartbeat_) return;
  next_heartbeat_ = Instant::never();
  for (auto& [handle, session] : sessions_) {
    const Connection& connection = connections_[session.cookie];
    if (!connection.opened || connection.done_at != Instant()) continue;
    next_heartbeat_ = now + options_.heartbeat;
    // One that is under way says enough.
    const bool beats =
        std::ranges::any_of(session.streams, [](const auto& entry) { return entry.second.is_heartbeat; });
    if (!beats) open_stream(handle, session, {.upload = 1, .unidirectional = true}, true);
  }
}

void FileClient::open_streams(Handle handle, Session& session) {
  while (session.next_transfer < options_.transfers.size() && session.streams.size() < options_.parallel)
    open_stream(handle, session, options_.transfers[session.next_transfer++], false);
}

void FileClient::open_stream(Handle handle, Session& session, const Transfer& transfer, bool is_heartbeat) {
  uint64_t& next = transfer.unidirectional ? session.next_unidirectional : session.next_bidirectional;
  const uint64_t id = next;
  next += 4;
  const auto [entry, added] = session.streams.emplace(
      id, Stream{.transfer = transfer, .upload = {.content = Content(id, Sender::kClient), .length = transfer.upload}});
  Stream& stream = entry->second;
  stream.is_heartbeat = is_heartbeat;
  stream.download_ended = transfer.unidirectional;
  stream.upload.finished = transfer.upload == 0;
  stream.upload.unreleased = kRequestSize;
  auto* request = new RequestChunk(transfer);
  write(handle, id, *request, 0, kRequestSize, transfer.upload == 0);
  request->drop();
  pump(handle, id, stream.upload);
}

void FileClient::on_data(const Event& event, Session& session) {
  if (session.abandoned.contains(event.stream)) return;
  const auto found = session.streams.find(event.stream);
  if (found == session.streams.end()) return fail("data came on a stream that was done");
  Stream& stream = found->second;
  const Bytes bytes(event.data, event.length);
  if (!Content(event.stream, Sender::kServer).matches(stream.downloaded, bytes))
    fail("the client received wrong bytes");
  if (stream.download_ended) fail("data came after the end");
  stream.downloaded += bytes.size();
  if (event.fin) {
    stream.download_ended = true;
    if (stream.downloaded != stream.transfer.download) fail("a download has the wrong length");
  } else if (stream.downloaded >= stream.transfer.abandon_after) {
    session.abandoned.insert(event.stream);
    abandon(event.connection, event.stream, stream);
  }
}

void FileClient::abandon(Handle handle, uint64_t id, Stream& stream) {
  stream.download_ended = true;
  command({.type = CommandType::kStopSending, .connection = handle, .stream = id, .error = 7});
  if (!stream.upload.finished) {
    command({.type = CommandType::kReset, .connection = handle, .stream = id, .error = 7});
    stream.upload.finished = true;
  }
}

// Counts the streams that are done, opens others in their place, and ends the connection after the last.
void FileClient::settle(Handle handle, Session& session, Instant now) {
  Connection& connection = connections_[session.cookie];
  std::erase_if(session.streams, [&](const auto& entry) {
    const Stream& stream = entry.second;
    const bool done = stream.download_ended && stream.upload.is_released();
    if (done && !stream.is_heartbeat) ++connection.streams_done;
    return done;
  });
  open_streams(handle, session);
  if (connection.streams_done < options_.transfers.size() || connection.done_at != Instant()) return;
  connection.done_at = now;
  if (options_.close_when_done) command({.type = CommandType::kClose, .connection = handle, .error = 0});
}

}  // namespace viaduct::sim
