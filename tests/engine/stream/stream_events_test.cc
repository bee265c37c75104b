// What the application is told of its streams, and what its commands do.
#include <gtest/gtest.h>

#include "tests/engine/stream/stream_fixture.h"

namespace viaduct::quic {
namespace {

struct Server : StreamFixture {
  explicit Server(const StreamCapacities& capacities = kCapacities)
      : StreamFixture(Role::kServer, kLimits, capacities) {
    streams.set_peer_limits(parameters_of(kLimits));
    EXPECT_EQ(next_event()->type, EventType::kStreamLimit);
    EXPECT_EQ(next_event()->type, EventType::kStreamLimit);
  }
};

// proves RFC 9000 2.2-1
TEST(StreamEvents, BytesComeInOrderAndAreReadableUntilConsumed) {
  Server f;
  EXPECT_TRUE(f.receive(0, 5'000, 1'000, true).is_ok());
  EXPECT_FALSE(f.streams.has_events());
  EXPECT_TRUE(f.receive(0, 0, 5'000).is_ok());
  std::vector<Event> events;
  while (const auto event = f.next_event()) events.push_back(*event);
  uint64_t offset = 0;
  for (const Event& event : events) {
    EXPECT_EQ(event.type, EventType::kData);
    EXPECT_EQ(event.stream, 0u);
    EXPECT_TRUE(is_pattern(offset, {event.data, event.length}));
    offset += event.length;
    EXPECT_EQ(event.fin, offset == 6'000);
  }
  EXPECT_EQ(offset, 6'000u);
  for (const Event& event : events) f.consume(event);
  EXPECT_EQ(f.streams.receive_window().consumed(), 6'000u);
}

TEST(StreamEvents, AnEndWithoutBytesHasNothingToConsume) {
  Server f;
  EXPECT_TRUE(f.receive(0, 0, 0, true).is_ok());
  const auto event = f.next_event();
  ASSERT_TRUE(event.has_value());
  EXPECT_TRUE(event->fin);
  EXPECT_EQ(event->length, 0u);
  EXPECT_EQ(event->token, 0u);
}

TEST(StreamEvents, ConsumedBytesRaiseTheLimits) {
  Server f;
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE(f.receive(0, 1'000u * static_cast<unsigned>(round), 1'000).is_ok()) << round;
    while (f.next_event()) {
    }
    f.consume_all();
    bool told = false;
    while (f.next_control()) told = true;
    EXPECT_EQ(told, round % 5 == 4) << "half a window of 10,000";
  }
}

// proves RFC 9000 13.3-2
TEST(StreamEvents, LostUpdatesAreSentAgainWhileTheyAreTheLatest) {
  Server f;
  ASSERT_TRUE(f.receive(0, 0, 6'000).is_ok());
  while (f.next_event()) {
  }
  f.consume_all();
  ASSERT_EQ(f.next_control()->type, FrameType::kMaxStreamData);
  const SentFrame first = f.record;
  EXPECT_EQ(first.offset, 16'000u);
  f.streams.on_lost(first);
  EXPECT_EQ(f.next_control()->max_stream_data.limit, 16'000u);
  ASSERT_TRUE(f.receive(0, 6'000, 6'000).is_ok());
  while (f.next_event()) {
  }
  f.consume_all();
  EXPECT_EQ(f.next_control()->max_stream_data.limit, 22'000u);
  f.streams.on_lost(first);
  EXPECT_FALSE(f.streams.has_control());
  ASSERT_TRUE(f.receive(0, 12'000, 1, true).is_ok());
  f.streams.on_lost(f.record);
  EXPECT_FALSE(f.next_control().has_value()) << "nothing more is to come";
}

TEST(StreamEvents, AResetIsToldInPlaceOfUnreadBytes) {
  Server f;
  EXPECT_TRUE(f.receive(0, 0, 100).is_ok());
  EXPECT_TRUE(f.receive_reset(0, 42, 500).is_ok());
  const auto event = f.next_event();
  ASSERT_TRUE(event && event->type == EventType::kReset);
  EXPECT_EQ(event->error, 42u);
  EXPECT_FALSE(f.next_event().has_value());
  EXPECT_EQ(f.streams.receive_window().consumed(), 500u);
}

// RFC 9000 section 3.5.
// proves RFC 9000 3.5-2 3.5-3 3.5-4
TEST(StreamEvents, StopSendingIsAnsweredByAReset) {
  Server f;
  f.write(1, 0, 100);
  const StreamData sent = *f.next_data();
  EXPECT_TRUE(f.streams.on_stop_sending({.stream = 1, .error = 7}).is_ok());
  const auto stop = f.next_event();
  ASSERT_TRUE(stop && stop->type == EventType::kStopSending);
  EXPECT_EQ(stop->error, 7u);
  const auto released = f.next_event();
  ASSERT_TRUE(released && released->type == EventType::kReleased);
  EXPECT_EQ(released->chunk, f.chunks[0].get());
  const auto reset = f.next_control();
  ASSERT_TRUE(reset && reset->type == FrameType::kResetStream);
  EXPECT_EQ(reset->reset_stream.error, 7u);
  EXPECT_EQ(reset->reset_stream.final_size, 100u);
  const SentFrame record = f.record;
  f.streams.on_lost(StreamSet::record_of(sent));
  EXPECT_FALSE(f.streams.has_data());
  f.streams.on_lost(record);
  EXPECT_EQ(f.next_control()->type, FrameType::kResetStream);
  f.streams.on_acked(record);
  f.streams.on_lost(f.record);
  EXPECT_FALSE(f.streams.has_control());
  EXPECT_TRUE(f.streams.on_stop_sending({.stream = 1, .error = 7}).is_ok());
  EXPECT_FALSE(f.streams.has_events());
}

// proves RFC 9000 3.5-1 3.5-5
TEST(StreamEvents, StoppedStreamsDeliverNothingMore) {
  Server f;
  EXPECT_TRUE(f.receive(0, 0, 100).is_ok());
  f.streams.stop_sending(0, 11);
  EXPECT_FALSE(f.next_event().has_value());
  const auto stop = f.next_control();
  ASSERT_TRUE(stop && stop->type == FrameType::kStopSending);
  EXPECT_EQ(stop->stop_sending.error, 11u);
  const SentFrame record = f.record;
  EXPECT_TRUE(f.receive(0, 100, 9'900).is_ok());
  EXPECT_FALSE(f.streams.has_events());
  EXPECT_EQ(f.streams.receive_window().consumed(), 10'000u);
  f.streams.on_lost(record);
  EXPECT_EQ(f.next_control()->type, FrameType::kStopSending);
  EXPECT_TRUE(f.receive_reset(0, 11, 10'000).is_ok());
  f.streams.on_lost(record);
  EXPECT_FALSE(f.next_control().has_value());
  EXPECT_FALSE(f.streams.has_events());
}

TEST(StreamEvents, WritesAreReleasedOnceAcknowledged) {
  Server f;
  EXPECT_TRUE(f.receive(0, 0, 10, true).is_ok());
  EXPECT_EQ(f.next_event()->type, EventType::kData);
  f.consume_all();
  f.write(0, 0, 100);
  f.write(0, 100, 100, true);
  const StreamData first = *f.next_data();
  const StreamData second = *f.next_data();
  f.streams.on_acked(StreamSet::record_of(second));
  EXPECT_FALSE(f.streams.has_events());
  f.streams.on_acked(StreamSet::record_of(first));
  EXPECT_EQ(f.next_event()->chunk, f.chunks[0].get());
  const auto last = f.next_event();
  EXPECT_EQ(last->chunk, f.chunks[1].get());
  EXPECT_EQ(last->length, 100u);
  EXPECT_EQ(f.streams.open_streams(), 0u);
}

// Of many at once there is one event, and their references are dropped; others keep their place among them.
TEST(StreamEvents, QuietWritesAreToldByTheirNumber) {
  Server f;
  int dropped = 0;
  for (const uint64_t id : {0u, 4u, 8u, 12u}) {
    EXPECT_TRUE(f.receive(id, 0, 10, true).is_ok());
    EXPECT_EQ(f.next_event()->type, EventType::kData);
    f.write(id, 0, 100, true, id != 8);
  }
  f.consume_all();
  for (auto& chunk : f.chunks) chunk.get()->hold();
  for (int i = 0; i < 4; ++i) f.streams.on_acked(StreamSet::record_of(*f.next_data()));
  const auto first = f.next_event();
  ASSERT_TRUE(first && first->type == EventType::kDelivered);
  EXPECT_EQ(first->value, 2u);
  const auto second = f.next_event();
  ASSERT_TRUE(second && second->type == EventType::kReleased);
  EXPECT_EQ(second->stream, 8u);
  const auto third = f.next_event();
  ASSERT_TRUE(third && third->type == EventType::kDelivered);
  EXPECT_EQ(third->value, 1u);
  EXPECT_FALSE(f.next_event().has_value());
  for (auto& chunk : f.chunks) dropped += chunk.get()->is_unshared() ? 1 : 0;
  EXPECT_EQ(dropped, 3);
  EXPECT_EQ(f.streams.open_streams(), 0u);
}

TEST(StreamEvents, QuietWritesOfNoStreamAndOfClosedOnesAreDroppedToo) {
  Server f;
  f.write(0, 0, 10, false, true);
  const auto event = f.next_event();
  ASSERT_TRUE(event && event->type == EventType::kDelivered);
  f.write(1, 0, 10, false, true);
  f.streams.close();
  EXPECT_EQ(f.next_event()->type, EventType::kDelivered);
  EXPECT_FALSE(f.next_event().has_value());
}

TEST(StreamEvents, WritesToNoStreamComeStraightBack) {
  Server f;
  for (const uint64_t id : {uint64_t{0}, uint64_t{2}, uint64_t{1 + 4 * 5}}) {
    EXPECT_EQ(f.write(id, 0, 10), StreamSet::WriteResult::kDone);
    const auto event = f.next_event();
    ASSERT_TRUE(event && event->type == EventType::kReleased) << id;
    EXPECT_EQ(event->chunk, f.chunks.back().get());
    EXPECT_EQ(event->stream, id);
  }
  f.write(1, 0, 10, true);
  f.write(1, 10, 10);
  EXPECT_EQ(f.next_event()->type, EventType::kReleased) << "behind the end";
  f.streams.reset(1 + 4 * 6, 0);
  f.streams.stop_sending(3, 0);
  EXPECT_FALSE(f.streams.has_control());
}

TEST(StreamEvents, WritesBeyondThePoolsAreLeftToTheCaller) {
  Server f({.streams = 2, .writes = 3, .ranges = 4, .receive_blocks = 4});
  EXPECT_EQ(f.write(1, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(5, 0, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(9, 0, 10), StreamSet::WriteResult::kNoStreams);
  EXPECT_EQ(f.write(5, 10, 10), StreamSet::WriteResult::kDone);
  EXPECT_EQ(f.write(5, 20, 10), StreamSet::WriteResult::kNoWrites);
  f.streams.on_acked(StreamSet::record_of(*f.next_data()));
  EXPECT_EQ(f.next_event()->type, EventType::kReleased);
  EXPECT_EQ(f.write(5, 20, 10), StreamSet::WriteResult::kDone);
}

TEST(StreamEvents, ClosingGivesEverythingBack) {
  Server f;
  EXPECT_TRUE(f.receive(0, 0, 3'000).is_ok());
  const Event data = *f.next_event();
  f.write(0, 0, 100);
  f.write(1, 0, 50);
  f.next_data();
  f.streams.on_lost(StreamSet::record_of(*f.next_data()));
  f.streams.close();
  EXPECT_EQ(f.streams.open_streams(), 0u);
  EXPECT_FALSE(f.streams.has_data());
  EXPECT_FALSE(f.streams.has_control());
  EXPECT_EQ(f.next_event()->type, EventType::kReleased);
  EXPECT_EQ(f.next_event()->type, EventType::kReleased);
  EXPECT_FALSE(f.next_event().has_value());
  EXPECT_TRUE(is_pattern(0, {data.data, data.length})) << "still the application's";
}

}  // namespace
}  // namespace viaduct::quic
