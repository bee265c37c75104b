// A StreamSet with its pools, and short ways to do things to it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <vector>

#include "engine/stream/stream_set.h"
#include "engine/wire/frame_writer.h"
#include "tests/engine/stream/pattern.h"

namespace viaduct::quic {

inline constexpr Instant kNow = Instant::from_ns(1'000'000'000);
inline constexpr Duration kRtt = Duration::milliseconds(20);

inline constexpr StreamLimits kLimits{.connection_window = 100'000,
                                      .max_connection_window = 100'000,
                                      .stream_window = 10'000,
                                      .max_stream_window = 10'000,
                                      .max_streams_bidi = 8,
                                      .max_streams_uni = 4};

// What a peer with such limits would tell us.
inline TransportParameters parameters_of(const StreamLimits& limits) {
  TransportParameters p;
  p.initial_max_data = limits.connection_window;
  p.initial_max_stream_data_bidi_local = limits.stream_window;
  p.initial_max_stream_data_bidi_remote = limits.stream_window;
  p.initial_max_stream_data_uni = limits.stream_window;
  p.initial_max_streams_bidi = limits.max_streams_bidi;
  p.initial_max_streams_uni = limits.max_streams_uni;
  return p;
}

class StreamFixture {
 public:
  static constexpr StreamCapacities kCapacities{.streams = 64, .writes = 64, .ranges = 64, .receive_blocks = 64};

  explicit StreamFixture(Role role, const StreamLimits& limits = kLimits,
                         const StreamCapacities& capacities = kCapacities)
      : resources(capacities, 7), streams(resources, role, limits) {}
  ~StreamFixture() {
    streams.close();
    while (next_event()) {
    }
    for (const uint64_t token : lent) resources.received.consume(token);
    EXPECT_EQ(resources.received.use().used(), 0u);
    EXPECT_EQ(resources.writes.used(), 0u);
    EXPECT_EQ(resources.ranges.used(), 0u);
    EXPECT_EQ(resources.table.use().used(), 0u);
  }

  // Frames from the peer.
  FrameOutcome receive(uint64_t stream, uint64_t offset, size_t size, bool fin = false) {
    const auto data = pattern(offset, size);
    return streams.on_stream({.stream = stream, .offset = offset, .data = data, .fin = fin});
  }
  FrameOutcome receive_reset(uint64_t stream, uint64_t error, uint64_t final_size) {
    return streams.on_reset_stream({.stream = stream, .error = error, .final_size = final_size});
  }

  // Commands. The chunk holds the pattern from `offset` on.
  StreamSet::WriteResult write(uint64_t stream, uint64_t offset, uint32_t size, bool fin = false, bool quiet = false) {
    chunks.emplace_back(offset, size);
    return streams.write({.type = CommandType::kWrite,
                          .fin = fin,
                          .quiet = quiet,
                          .length = size,
                          .stream = stream,
                          .chunk = chunks.back().get()});
  }

  std::optional<Event> next_event() {
    Event event;
    if (!streams.next_event(event)) return std::nullopt;
    if (event.type == EventType::kData && event.length > 0) lent.push_back(event.token);
    return event;
  }
  // The next event that is not of this kind.
  std::optional<Event> next_event_but(EventType skipped) {
    std::optional<Event> event = next_event();
    while (event && event->type == skipped) event = next_event();
    return event;
  }
  void consume(const Event& event) {
    std::erase(lent, event.token);
    streams.on_consumed(resources.received.consume(event.token));
  }
  void consume_all() {
    for (const uint64_t token : lent) streams.on_consumed(resources.received.consume(token));
    lent.clear();
  }

  // The next control frame as the peer would read it.
  std::optional<Frame> next_control(size_t room = 100) {
    ByteWriter writer({packet_, room});
    if (!streams.write_control(writer, record, kNow, kRtt)) {
      EXPECT_EQ(writer.size(), 0u);
      return std::nullopt;
    }
    ByteReader reader(writer.written());
    Frame frame;
    const TransportError error = parse_frame(reader, PacketType::kOneRtt, Role::kServer, frame);
    EXPECT_FALSE(error) << error.reason;
    return frame;
  }
  std::optional<StreamData> next_data(size_t room = 1200) {
    StreamData data;
    if (!streams.next_data(room, data)) return std::nullopt;
    EXPECT_LE(stream_header_size(data.stream, data.span.offset, data.span.length) + data.span.length, room);
    EXPECT_TRUE(is_pattern(data.span.offset, {data.span.data, data.span.length}));
    return data;
  }

  StreamResources resources;
  StreamSet streams;
  std::deque<PatternChunk> chunks;
  std::vector<uint64_t> lent;
  SentFrame record;  // of the last control frame

 private:
  uint8_t packet_[100];
};

}  // namespace viaduct::quic
