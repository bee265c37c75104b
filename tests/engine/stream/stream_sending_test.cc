// Whose bytes go into which packet, and what holds them up.
#include <gtest/gtest.h>

#include "tests/engine/stream/stream_fixture.h"

namespace viaduct::quic {
namespace {

struct Client : StreamFixture {
  explicit Client(TransportParameters peer = parameters_of(kLimits)) : StreamFixture(Role::kClient) {
    streams.set_peer_limits(peer);
    while (next_event()) {
    }
  }
};

TEST(StreamSending, StreamsTakeTurnsFromPacketToPacket) {
  Client f;
  for (const uint64_t id : {0, 4, 8}) f.write(id, 0, 5'000);
  std::vector<uint64_t> order;
  for (int i = 0; i < 6; ++i) order.push_back(f.next_data(1'000)->stream);
  EXPECT_EQ(order, (std::vector<uint64_t>{0, 4, 8, 0, 4, 8}));
}

TEST(StreamSending, APacketIsFilledFromTheNextWriteOrStream) {
  Client f;
  f.write(0, 0, 10);
  f.write(0, 10, 20);
  f.write(4, 0, 30);
  EXPECT_EQ(f.next_data(500)->span.length, 10u);
  const auto second = f.next_data(480);
  EXPECT_TRUE(second->stream == 0 && second->span.offset == 10 && second->span.length == 20);
  EXPECT_EQ(f.next_data(450)->stream, 4u);
  EXPECT_FALSE(f.next_data(400).has_value());
  EXPECT_FALSE(f.streams.has_data());
}

TEST(StreamSending, AStreamThatKeepsWritingKeepsItsTurn) {
  Client f;
  f.write(0, 0, 3'000);
  f.write(4, 0, 3'000);
  f.write(0, 3'000, 100);
  EXPECT_EQ(f.next_data(1'000)->stream, 0u);
}

TEST(StreamSending, TheEndOfAPacketIsNotWorthAFrame) {
  Client f;
  f.write(0, 0, 100);
  EXPECT_FALSE(f.next_data(20).has_value());
  EXPECT_TRUE(f.streams.has_data());
}

// proves RFC 9000 2.2-3 4.1-1 4.1-4 19.10-3 19.13-1
TEST(StreamSending, AStreamsLimitHoldsItUpAndIsTold) {
  TransportParameters peer = parameters_of(kLimits);
  peer.initial_max_stream_data_bidi_remote = 100;
  Client f(peer);
  f.write(0, 0, 150);
  f.write(2, 0, 10);
  EXPECT_EQ(f.next_data()->span.length, 100u);
  EXPECT_EQ(f.next_data()->stream, 2u) << "one that is not held up";
  EXPECT_FALSE(f.streams.has_data());
  const auto blocked = f.next_control();
  ASSERT_TRUE(blocked && blocked->type == FrameType::kStreamDataBlocked);
  EXPECT_EQ(blocked->stream_data_blocked.limit, 100u);
  const SentFrame record = f.record;
  EXPECT_FALSE(f.streams.has_control());
  EXPECT_TRUE(f.streams.on_max_stream_data({.stream = 0, .limit = 120}).is_ok());
  EXPECT_EQ(f.next_data()->span.length, 20u);
  f.streams.on_lost(record);
  EXPECT_EQ(f.next_control()->stream_data_blocked.limit, 120u);
  EXPECT_FALSE(f.next_control().has_value());
}

// proves RFC 9000 2.2-3 4.1-1 19.12-1
TEST(StreamSending, TheConnectionsLimitHoldsNewBytesUpAndIsTold) {
  TransportParameters peer = parameters_of(kLimits);
  peer.initial_max_data = 100;
  Client f(peer);
  f.write(0, 0, 80);
  f.write(4, 0, 80);
  f.write(8, 0, 80);
  const StreamData first = *f.next_data();
  EXPECT_EQ(f.next_data()->span.length, 20u);
  EXPECT_FALSE(f.next_data().has_value());
  EXPECT_FALSE(f.streams.has_data());
  const auto blocked = f.next_control();
  ASSERT_TRUE(blocked && blocked->type == FrameType::kDataBlocked);
  EXPECT_EQ(blocked->data_blocked.limit, 100u);
  f.streams.on_lost(f.record);
  EXPECT_EQ(f.next_control()->type, FrameType::kDataBlocked);

  f.streams.on_lost(StreamSet::record_of(first));
  const auto again = f.next_data();
  EXPECT_TRUE(again && again->stream == 0 && again->span.length == 80) << "lost bytes were paid for";
  EXPECT_FALSE(f.next_data().has_value());

  f.streams.on_max_data({.limit = 90});
  EXPECT_FALSE(f.streams.has_data());
  f.streams.on_max_data({.limit = 200});
  EXPECT_EQ(f.next_data()->span.length, 60u);
  EXPECT_EQ(f.next_data()->span.length, 40u);
  EXPECT_EQ(f.streams.send_window().used(), 200u);
}

TEST(StreamSending, AnEndNeedsNoCredit) {
  TransportParameters peer = parameters_of(kLimits);
  peer.initial_max_data = 10;
  Client f(peer);
  f.write(0, 0, 10);
  EXPECT_FALSE(f.next_data()->span.fin);
  f.write(0, 10, 0, true);
  const auto end = f.next_data();
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->span.fin);
  EXPECT_EQ(end->span.length, 0u);
}

TEST(StreamSending, ControlFramesWaitForRoom) {
  Client f;
  f.write(0, 0, 10);
  f.streams.reset(0, 3);
  EXPECT_FALSE(f.next_control(10).has_value());
  EXPECT_TRUE(f.streams.has_control());
  EXPECT_TRUE(f.next_control(30).has_value());
}

// A spurious loss: the bytes arrive after all, before they are sent again.
// proves RFC 9000 13.3-6
TEST(StreamSending, AcknowledgedLossesAreNotSentAgain) {
  Client f;
  f.write(0, 0, 100, true);
  const SentFrame record = StreamSet::record_of(*f.next_data());
  f.streams.on_lost(record);
  EXPECT_TRUE(f.streams.has_data());
  f.streams.on_acked(record);
  EXPECT_FALSE(f.next_data().has_value());
}

}  // namespace
}  // namespace viaduct::quic
