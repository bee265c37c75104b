// Who may open which stream, and what a peer may not do (RFC 9000 sections 2.1, 3 and 4.6).
#include <gtest/gtest.h>

#include <functional>

#include "tests/engine/stream/stream_fixture.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kClientBidi = 0, kServerBidi = 1, kClientUni = 2, kServerUni = 3;

using Cause = std::function<FrameOutcome(StreamFixture&, uint64_t)>;
struct Frames {
  const char* name;
  bool concerns_our_sending;
  Cause receive;
};

const Frames kFrames[] = {
    {"STREAM", false, [](auto& f, uint64_t id) { return f.receive(id, 0, 1); }},
    {"RESET_STREAM", false, [](auto& f, uint64_t id) { return f.receive_reset(id, 1, 0); }},
    {"STREAM_DATA_BLOCKED", false,
     [](auto& f, uint64_t id) { return f.streams.on_stream_data_blocked({.stream = id, .limit = 1}); }},
    {"STOP_SENDING", true, [](auto& f, uint64_t id) { return f.streams.on_stop_sending({.stream = id, .error = 1}); }},
    {"MAX_STREAM_DATA", true,
     [](auto& f, uint64_t id) { return f.streams.on_max_stream_data({.stream = id, .limit = 1 << 20}); }},
};

// proves RFC 9000 3.2-1 4.6-3 19.11-4
TEST(StreamLimits, EveryFrameThatOpensKeepsTheLimit) {
  for (const Frames& frame : kFrames) {
    StreamFixture f(Role::kServer);
    EXPECT_TRUE(frame.receive(f, kClientBidi + 4 * 7).is_ok()) << frame.name;
    EXPECT_EQ(f.streams.open_streams(), 8u) << "all lower ones are open too";
    EXPECT_EQ(frame.receive(f, kClientBidi + 4 * 8).error.code, ErrorCode::kStreamLimitError) << frame.name;
    EXPECT_EQ(frame.receive(f, kMaxVarint & ~uint64_t{3}).error.code, ErrorCode::kStreamLimitError) << frame.name;
    if (frame.concerns_our_sending) continue;
    EXPECT_TRUE(frame.receive(f, kClientUni + 4 * 3).is_ok()) << frame.name;
    EXPECT_EQ(frame.receive(f, kClientUni + 4 * 4).error.code, ErrorCode::kStreamLimitError) << frame.name;
  }
}

// proves RFC 9000 19.4-1 19.5-2 19.10-2 19.13-2
TEST(StreamLimits, FramesAgainstTheDirectionAreErrors) {
  for (const Frames& frame : kFrames) {
    StreamFixture f(Role::kServer);
    f.streams.set_peer_limits(parameters_of(kLimits));
    f.write(kServerUni, 0, 10);
    const uint64_t wrong = frame.concerns_our_sending ? kClientUni : kServerUni;
    EXPECT_EQ(frame.receive(f, wrong).error.code, ErrorCode::kStreamStateError) << frame.name;
  }
}

// proves RFC 9000 19.5-1 19.8-1 19.10-1
TEST(StreamLimits, FramesForStreamsOfOursThatAreNotOpenAreErrors) {
  for (const Frames& frame : kFrames) {
    StreamFixture f(Role::kServer);
    TransportParameters peer = parameters_of(kLimits);
    peer.initial_max_streams_bidi = 1;
    f.streams.set_peer_limits(peer);
    EXPECT_EQ(frame.receive(f, kServerBidi).error.code, ErrorCode::kStreamStateError) << frame.name;
    f.write(kServerBidi, 0, 10);
    EXPECT_TRUE(frame.receive(f, kServerBidi).is_ok()) << frame.name;
    f.write(kServerBidi + 4, 0, 10);
    EXPECT_EQ(frame.receive(f, kServerBidi + 4).error.code, ErrorCode::kStreamStateError)
        << frame.name << ": it waits for the limit, and the peer cannot know of it";
  }
}

TEST(StreamLimits, AFullPoolIsNotThePeersFault) {
  StreamFixture f(Role::kServer, kLimits, {.streams = 4, .writes = 4, .ranges = 4, .receive_blocks = 4});
  const FrameOutcome outcome = f.receive(kClientBidi + 4 * 7, 0, 1);
  EXPECT_TRUE(outcome.no_room);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(f.streams.open_streams(), 4u);
  EXPECT_TRUE(f.receive(kClientBidi + 4, 0, 1).is_ok());
  EXPECT_EQ(f.resources.table.use().refused(), 1u);
}

// Streams that are over make room for others, which is told well before the peer is out of them.
// proves RFC 9000 4.4-1
TEST(StreamLimits, FinishedStreamsRaiseTheLimit) {
  StreamFixture f(Role::kServer);
  for (uint64_t i = 0; i < 100; ++i) {
    const uint64_t id = kClientBidi + 4 * i;
    ASSERT_TRUE(f.receive(id, 0, 10, true).is_ok()) << i;
    while (f.next_event()) {
    }
    f.consume_all();
    f.streams.reset(id, 0);
    while (f.next_control()) {
      if (f.record.type == SentFrameType::kResetStream) f.streams.on_acked(f.record);
    }
    EXPECT_EQ(f.streams.open_streams(), 0u);
  }
  EXPECT_TRUE(f.receive(kClientBidi, 0, 10, true).is_ok()) << "a closed stream's frames are ignored";
  EXPECT_FALSE(f.streams.has_events());
}

// A stream that closes while others may still be opened counts as soon as those are.
// proves RFC 9000 4.6-6
TEST(StreamLimits, ThePeerIsNotLeftBlockedWhileStreamsAreFree) {
  StreamFixture f(Role::kServer, {.connection_window = 1000,
                                  .max_connection_window = 1000,
                                  .stream_window = 100,
                                  .max_stream_window = 100,
                                  .max_streams_uni = 4});
  ASSERT_TRUE(f.receive(kClientUni, 0, 0, true).is_ok());
  ASSERT_TRUE(f.next_event().has_value());
  EXPECT_FALSE(f.next_control().has_value()) << "three more may be opened";
  ASSERT_TRUE(f.receive(kClientUni + 4 * 3, 0, 1).is_ok());
  const auto told = f.next_control();
  ASSERT_TRUE(told && told->type == FrameType::kMaxStreams);
  EXPECT_EQ(told->max_streams.limit, 5u);
}

TEST(StreamLimits, MaxStreamsIsSentAgainUntilItArrives) {
  StreamFixture f(Role::kServer, {.connection_window = 1000,
                                  .max_connection_window = 1000,
                                  .stream_window = 100,
                                  .max_stream_window = 100,
                                  .max_streams_uni = 1});
  ASSERT_TRUE(f.receive(kClientUni, 0, 0, true).is_ok());
  ASSERT_TRUE(f.next_event().has_value());
  const auto told = f.next_control();
  ASSERT_TRUE(told && told->type == FrameType::kMaxStreams && told->max_streams.unidirectional);
  EXPECT_EQ(told->max_streams.limit, 2u);
  EXPECT_FALSE(f.streams.has_control());
  f.streams.on_lost(f.record);
  EXPECT_EQ(f.next_control()->max_streams.limit, 2u);
}

// proves RFC 9000 2.1-1 4.6-2 4.6-4 4.6-5 19.11-2 19.11-3 19.14-1
TEST(StreamLimits, OurStreamsWaitForThePeersLimit) {
  StreamFixture f(Role::kClient);
  f.write(kClientBidi, 0, 10);
  EXPECT_FALSE(f.streams.has_data()) << "the peer's parameters are not known yet";
  TransportParameters peer = parameters_of(kLimits);
  peer.initial_max_streams_bidi = 1;
  f.streams.set_peer_limits(peer);
  const auto limit = f.next_event();
  ASSERT_TRUE(limit && limit->type == EventType::kStreamLimit);
  EXPECT_EQ(limit->value, 1u);
  EXPECT_EQ(limit->stream, kClientBidi);
  EXPECT_EQ(f.next_data()->stream, kClientBidi);

  f.write(kClientBidi + 4, 0, 10);
  EXPECT_FALSE(f.streams.has_data());
  const auto blocked = f.next_control();
  ASSERT_TRUE(blocked && blocked->type == FrameType::kStreamsBlocked);
  EXPECT_EQ(blocked->streams_blocked.limit, 1u);
  f.streams.on_lost(f.record);
  EXPECT_TRUE(f.next_control().has_value());

  f.streams.on_max_streams({.unidirectional = false, .limit = 1});
  EXPECT_FALSE(f.streams.has_data());
  f.streams.on_max_streams({.unidirectional = false, .limit = 2});
  EXPECT_EQ(f.next_data()->stream, kClientBidi + 4);
  f.streams.on_lost(f.record);
  EXPECT_FALSE(f.streams.has_control()) << "it does not hold anything up any more";
}

TEST(StreamLimits, AStreamResetWhileItWaitsIsResetOnceItMayOpen) {
  StreamFixture f(Role::kClient);
  f.streams.set_peer_limits(TransportParameters{});
  f.write(kClientBidi, 0, 10);
  f.streams.reset(kClientBidi, 5);
  ASSERT_EQ(f.next_control()->type, FrameType::kStreamsBlocked);
  EXPECT_FALSE(f.next_control().has_value());
  f.streams.on_max_streams({.unidirectional = false, .limit = 1});
  const auto reset = f.next_control();
  ASSERT_TRUE(reset && reset->type == FrameType::kResetStream);
  EXPECT_EQ(reset->reset_stream.final_size, 0u);
  EXPECT_FALSE(f.streams.has_data());
}

// What waits for the peer's limit is bounded for each connection, and counts no more once it may go.
TEST(StreamLimits, OnlySoManyStreamsWait) {
  StreamLimits limits = kLimits;
  limits.max_waiting_streams = 3;
  StreamFixture f(Role::kClient, limits);
  f.streams.set_peer_limits(TransportParameters{});
  EXPECT_EQ(f.write(kClientBidi, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(kClientUni, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(kClientBidi + 4, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(kClientBidi + 8, 0, 10), StreamSet::WriteResult::kNoStreams);
  EXPECT_EQ(f.write(kClientUni + 4, 0, 10), StreamSet::WriteResult::kNoStreams);
  f.streams.on_max_streams({.unidirectional = false, .limit = 1});
  EXPECT_EQ(f.write(kClientBidi + 8, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(kClientBidi + 12, 0, 10), StreamSet::WriteResult::kNoStreams);
}

// However many streams we open, a peer may still open some.
TEST(StreamLimits, OurStreamsLeaveRoomForThePeers) {
  StreamFixture f(Role::kServer, kLimits, {.streams = 16, .writes = 32, .ranges = 4, .receive_blocks = 4});
  f.streams.set_peer_limits(TransportParameters{});
  uint64_t opened = 0;
  while (f.write(kServerUni + 4 * opened, 0, 1) == StreamSet::WriteResult::kDone) ++opened;
  EXPECT_EQ(opened, 14u);
  EXPECT_TRUE(f.receive(kClientBidi + 4, 0, 1).is_ok());
  EXPECT_TRUE(f.receive(kClientBidi + 8, 0, 1).no_room);
}

// RFC 9000 section 4.1: the sum over streams of their highest offsets.
// proves RFC 9000 19.9-1 19.9-2
TEST(StreamLimits, TheConnectionsLimitCountsAllStreams) {
  StreamLimits limits = kLimits;
  limits.connection_window = limits.max_connection_window = 15'000;
  StreamFixture f(Role::kServer, limits);
  EXPECT_TRUE(f.receive(0, 9'999, 1).is_ok());
  EXPECT_TRUE(f.receive(4, 4'000, 1'000).is_ok());
  EXPECT_EQ(f.receive(8, 0, 1).error.code, ErrorCode::kFlowControlError);
  EXPECT_EQ(f.receive(0, 10'000, 1).error.code, ErrorCode::kFlowControlError);
  EXPECT_EQ(f.receive_reset(8, 0, 1).error.code, ErrorCode::kFlowControlError);
}

}  // namespace
}  // namespace viaduct::quic
