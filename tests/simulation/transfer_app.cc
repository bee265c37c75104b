#include "tests/simulation/transfer_app.h"

#include <algorithm>
#include <array>
#include <span>

namespace viaduct::sim {

using quic::Command;
using quic::CommandType;
using quic::Event;
using quic::EventType;

namespace {

constexpr Duration kRingRetry = Duration::milliseconds(1);

}  // namespace

void TransferApp::run(quic::AppChannel& channel, Instant now) {
  std::array<Event, 32> events;
  for (size_t count; (count = channel.events.pop(events)) > 0;) {
    for (const Event& event : std::span(events).first(count)) take(event, now);
  }
  on_run(now);
  give_back(now);
  while (!pending_.empty() && channel.commands.push(std::span(&pending_.front(), 1)) == 1) pending_.pop_front();
  retry_ = pending_.empty() ? Instant::never() : now + kRingRetry;
}

// Where the ring was full the endpoint mostly runs at once, because it has commands, and then so does this. An endpoint
// that waits for memory takes none for a while.
Instant TransferApp::deadline() const { return kept_.empty() ? retry_ : std::min(retry_, kept_.front().until); }

void TransferApp::take(const Event& event, Instant now) {
  if (event.type == EventType::kReleased) {
    if (writes_outstanding_ == 0) return fail("more writes were released than written");
    --writes_outstanding_;
    if (event.chunk) event.chunk->drop();
  }
  if (event.type == EventType::kData) bytes_received_ += event.length;
  on_event(event, now);
  if (event.type != EventType::kData || event.length == 0) return;
  kept_.push_back({now + options_.consume_delay, event.connection, event.token, event.length});
  if ((kept_bytes_[event.connection] += event.length) > options_.window) fail("the peer broke the connection's limit");
}

void TransferApp::give_back(Instant now) {
  for (; !kept_.empty() && kept_.front().until <= now; kept_.pop_front()) {
    const Kept& kept = kept_.front();
    command({.type = CommandType::kConsume, .connection = kept.connection, .token = kept.token});
    kept_bytes_[kept.connection] -= kept.length;
  }
}

void TransferApp::pump(Handle connection, uint64_t stream, Outgoing& outgoing) {
  while (!outgoing.finished && outgoing.unreleased < options_.write_ahead) {
    const auto size =
        static_cast<uint32_t>(std::min<uint64_t>(options_.write_size, outgoing.length - outgoing.written));
    outgoing.finished = outgoing.written + size == outgoing.length;
    write(connection, stream, Content::chunk(), outgoing.content.offset(outgoing.written), size, outgoing.finished);
    outgoing.written += size;
    outgoing.unreleased += size;
  }
}

void TransferApp::write(Handle connection, uint64_t stream, Chunk& chunk, uint32_t offset, uint32_t length, bool fin) {
  chunk.hold();
  ++writes_outstanding_;
  command({.type = CommandType::kWrite,
           .fin = fin,
           .connection = connection,
           .offset = offset,
           .length = length,
           .stream = stream,
           .chunk = &chunk});
}

}  // namespace viaduct::sim
