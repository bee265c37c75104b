#include "tests/simulation/file_server.h"

#include <algorithm>
#include <string>

namespace viaduct::sim {

using quic::CommandType;
using quic::Event;
using quic::EventType;

namespace {

bool is_unidirectional(uint64_t stream) { return (stream & 2) != 0; }

}  // namespace

void FileServer::on_event(const Event& event, Instant) {
  if (event.type == EventType::kClosed) {
    connections_.erase(event.connection);
    closed_.push_back({event.error, event.application_error});
    return;
  }
  Streams& streams = connections_[event.connection];
  switch (event.type) {
    case EventType::kOpened:
      ++opened_;
      break;
    case EventType::kData:
      on_data(event, streams[event.stream]);
      settle(event, streams);
      break;
    case EventType::kReset: {
      // Half a request gets no answer.
      Stream& stream = streams[event.stream];
      stream.upload_ended = true;
      if (!is_unidirectional(event.stream) && !stream.answer)
        command({.type = CommandType::kReset, .connection = event.connection, .stream = event.stream, .error = 1});
      settle(event, streams);
      break;
    }
    case EventType::kStopSending:
      if (const auto found = streams.find(event.stream); found != streams.end() && found->second.answer) {
        found->second.answer->finished = true;
        settle(event, streams);
      }
      break;
    case EventType::kReleased:
      if (const auto found = streams.find(event.stream); found != streams.end() && found->second.answer) {
        found->second.answer->unreleased -= event.length;
        settle(event, streams);
      }
      break;
    default:
      break;
  }
}

void FileServer::on_data(const Event& event, Stream& stream) {
  Bytes bytes(event.data, event.length);
  if (stream.request_bytes < kRequestSize) {
    const size_t size = std::min(bytes.size(), kRequestSize - stream.request_bytes);
    std::copy_n(bytes.begin(), size, stream.request.begin() + static_cast<ptrdiff_t>(stream.request_bytes));
    stream.request_bytes += size;
    bytes = bytes.subspan(size);
    if (stream.request_bytes == kRequestSize) begin_answer(event.stream, stream);
  }
  if (!Content(event.stream, Sender::kClient).matches(stream.uploaded, bytes)) fail("the server received wrong bytes");
  stream.uploaded += bytes.size();
  if (!event.fin) return;
  if (stream.upload_ended) fail("a stream ended twice");
  stream.upload_ended = true;
  if (stream.request_bytes < kRequestSize || stream.uploaded != stream.upload)
    fail("upload of stream " + std::to_string(event.stream) + " ended at " + std::to_string(stream.uploaded) + " of " +
         std::to_string(stream.upload));
}

void FileServer::begin_answer(uint64_t id, Stream& stream) {
  ByteReader reader(stream.request);
  const uint64_t download = reader.u64();
  stream.upload = reader.u64();
  if (!is_unidirectional(id)) stream.answer = Outgoing{.content = Content(id, Sender::kServer), .length = download};
}

// Writes on, and forgets the stream when both of its directions are done.
void FileServer::settle(const Event& event, Streams& streams) {
  Stream& stream = streams[event.stream];
  if (stream.answer) pump(event.connection, event.stream, *stream.answer);
  if (!stream.upload_ended || (stream.answer && !stream.answer->is_released())) return;
  ++requests_served_;
  streams.erase(event.stream);
}

}  // namespace viaduct::sim
