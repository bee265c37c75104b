// Stands where the engine stands: plays the peer of an application over an AppChannel, and notes what the application
// asks for.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/http3/errors.h"
#include "apps/http3/frames.h"
#include "apps/http3/qpack.h"
#include "engine/app_channel.h"

namespace viaduct::http3 {

// What one stream of ours carried so far.
struct Outgoing {
  std::string bytes;
  bool fin = false;
  std::optional<uint64_t> reset;         // with this error
  std::optional<uint64_t> stop_sending;  // of what comes
};

class FakeEngine {
 public:
  explicit FakeEngine(size_t command_slots = 1024) : channel(4096, command_slots) {}
  ~FakeEngine() {
    take();
    release_all();
  }

  quic::AppChannel channel;
  quic::ConnectionHandle connection{3, 1};
  std::map<uint64_t, Outgoing> out;  // by stream
  std::optional<uint64_t> closed_with;
  uint64_t consumed = 0;   // tokens that came back
  uint64_t delivered = 0;  // tokens that were given out

  void open() { push({.type = quic::EventType::kOpened, .connection = connection}); }
  void close() {
    release_all();
    push({.type = quic::EventType::kClosed, .connection = connection});
  }
  bool is_early = false;  // what comes, comes as 0-RTT
  void data(uint64_t stream, std::string_view bytes, bool fin = false) {
    kept_.emplace_back(bytes);
    const std::string& text = kept_.back();
    quic::Event event{.type = quic::EventType::kData, .fin = fin, .early = is_early, .connection = connection};
    event.length = static_cast<uint32_t>(text.size());
    event.stream = stream;
    event.data = reinterpret_cast<const uint8_t*>(text.data());
    event.token = text.empty() ? 0 : ++delivered;
    push(event);
  }
  void reset(uint64_t stream, Error error = Error::kRequestCancelled) {
    quic::Event event{.type = quic::EventType::kReset, .connection = connection, .stream = stream};
    event.error = code(error);
    push(event);
  }
  void stop_sending(uint64_t stream, Error error = Error::kRequestCancelled) {
    quic::Event event{.type = quic::EventType::kStopSending, .connection = connection, .stream = stream};
    event.error = code(error);
    push(event);
  }

  // Reads the application's commands. Writes stay held until release_all().
  void take() {
    quic::Command command;
    while (channel.commands.pop(command)) on_command(command);
  }
  // Says of every write that it is delivered.
  void release_all() {
    for (const quic::Command& write : held_) {
      if (write.quiet) {
        write.chunk->drop();
        push({.type = quic::EventType::kDelivered, .connection = write.connection, .value = 1});
        continue;
      }
      quic::Event event{.type = quic::EventType::kReleased, .connection = write.connection};
      event.length = write.length;
      event.stream = write.stream;
      event.chunk = write.chunk;
      push(event);
    }
    held_.clear();
  }
  size_t held() const { return held_.size(); }

 private:
  void push(const quic::Event& event) { channel.events.push(event); }
  void on_command(const quic::Command& command) {
    Outgoing& stream = out[command.stream];
    if (command.token != 0) ++consumed;
    switch (command.type) {
      case quic::CommandType::kWrite:
        stream.bytes.append(reinterpret_cast<const char*>(command.chunk->data()) + command.offset, command.length);
        stream.fin = command.fin;
        held_.push_back(command);
        break;
      case quic::CommandType::kReset:
        stream.reset = command.error;
        break;
      case quic::CommandType::kStopSending:
        stream.stop_sending = command.error;
        break;
      case quic::CommandType::kConsume:
        break;
      case quic::CommandType::kClose:
        if (!closed_with) closed_with = command.error;
        break;
      case quic::CommandType::kUpdateKeys:
      case quic::CommandType::kDatagram:
        break;
    }
  }

  std::vector<quic::Command> held_;
  std::deque<std::string> kept_;
};

// --- bytes as a peer would send them ---

inline std::string varint(uint64_t value) {
  uint8_t room[8];
  ByteWriter out(room);
  out.varint(value);
  return {reinterpret_cast<const char*>(room), out.size()};
}
inline std::string frame(uint64_t type, std::string_view payload) {
  return varint(type) + varint(payload.size()) + std::string(payload);
}
inline std::string frame(FrameType type, std::string_view payload) {
  return frame(static_cast<uint64_t>(type), payload);
}
inline std::string section(const std::vector<Field>& fields) {
  std::vector<uint8_t> room(32 << 10);
  ByteWriter out(room);
  Qpack qpack;
  qpack.encode(fields, out);
  return {reinterpret_cast<const char*>(room.data()), out.size()};
}
inline std::string headers(const std::vector<Field>& fields) { return frame(FrameType::kHeaders, section(fields)); }
inline std::vector<Field> request_fields(std::string_view path = "/", std::string_view method = "GET") {
  return {{":method", method}, {":scheme", "https"}, {":authority", "origin.example"}, {":path", path}};
}
inline std::string get(std::string_view path = "/") { return headers(request_fields(path)); }

// --- bytes as we send them, read back ---

struct ReadResponse {
  std::string status;
  std::map<std::string, std::string> fields;
  std::string body;
};
inline ReadResponse read_response(std::string_view bytes) {
  ReadResponse response;
  Qpack qpack;
  FieldSection fields(16 << 10);
  Bytes input{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  FrameReader reader;
  for (;;) {
    const FrameReader::Item item = reader.next(input);
    if (item.kind == FrameReader::Item::Kind::kNone) return response;
    if (item.kind != FrameReader::Item::Kind::kPayload) continue;
    if (item.type == static_cast<uint64_t>(FrameType::kData)) {
      response.body.append(reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size());
    } else if (qpack.decode(item.bytes, fields) == Qpack::Outcome::kDone) {
      for (const Field& field : fields.fields()) response.fields[std::string(field.name)] = field.value;
      response.status = response.fields[":status"];
    }
  }
}

}  // namespace viaduct::http3
