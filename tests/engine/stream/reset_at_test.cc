// RESET_STREAM_AT: a stream that ends short, but not before some of it was delivered
// (draft-ietf-quic-reliable-stream-reset).
#include <gtest/gtest.h>

#include "tests/engine/stream/stream_fixture.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kStream = 2;  // the client's, in one direction

TransportParameters with_reset_at() {
  TransportParameters peer = parameters_of(kLimits);
  peer.reset_stream_at = true;
  return peer;
}

// --- receiving ---

class ResetAtReceiver : public ::testing::Test {
 protected:
  FrameOutcome reset_at(uint64_t final_size, uint64_t reliable, uint64_t error = 9) {
    return f.streams.on_reset_stream(
        {.stream = kStream, .error = error, .final_size = final_size, .reliable_size = reliable});
  }
  StreamFixture f{Role::kServer};
};

TEST_F(ResetAtReceiver, TellsTheReliablePartBeforeTheReset) {
  ASSERT_TRUE(reset_at(5'000, 100).is_ok());
  EXPECT_FALSE(f.streams.has_events());
  ASSERT_TRUE(f.receive(kStream, 0, 100).is_ok());
  const auto data = f.next_event();
  ASSERT_TRUE(data && data->type == EventType::kData);
  EXPECT_EQ(data->length, 100u);
  EXPECT_FALSE(data->fin);
  const auto reset = f.next_event();
  ASSERT_TRUE(reset && reset->type == EventType::kReset);
  EXPECT_EQ(reset->error, 9u);
  EXPECT_FALSE(f.next_event().has_value());
}

TEST_F(ResetAtReceiver, IsAPlainResetOnceTheReliablePartWasTold) {
  ASSERT_TRUE(f.receive(kStream, 0, 200).is_ok());
  ASSERT_TRUE(f.next_event());
  ASSERT_TRUE(reset_at(5'000, 150).is_ok());
  EXPECT_EQ(f.next_event()->type, EventType::kReset);
}

// The whole stream is reliable: still a reset, and no end.
TEST_F(ResetAtReceiver, OfTheWholeStreamIsNoEnd) {
  ASSERT_TRUE(f.receive(kStream, 0, 100).is_ok());
  ASSERT_TRUE(reset_at(100, 100).is_ok());
  const auto data = f.next_event();
  ASSERT_TRUE(data && data->type == EventType::kData);
  EXPECT_FALSE(data->fin);
  EXPECT_EQ(f.next_event()->type, EventType::kReset);
}

// A later frame may lower the size, and not raise it.
TEST_F(ResetAtReceiver, TheSmallestSizeHolds) {
  ASSERT_TRUE(reset_at(5'000, 1'000).is_ok());
  ASSERT_TRUE(reset_at(5'000, 50).is_ok());
  ASSERT_TRUE(reset_at(5'000, 4'000).is_ok());
  ASSERT_TRUE(f.receive(kStream, 0, 50).is_ok());
  EXPECT_EQ(f.next_event()->type, EventType::kData);
  EXPECT_EQ(f.next_event()->type, EventType::kReset);
}

TEST_F(ResetAtReceiver, APlainResetEndsTheWait) {
  ASSERT_TRUE(reset_at(5'000, 1'000).is_ok());
  ASSERT_TRUE(reset_at(5'000, 0).is_ok());
  EXPECT_EQ(f.next_event()->type, EventType::kReset);
}

TEST_F(ResetAtReceiver, KeepsFinalSizeErrorAndFlowControl) {
  ASSERT_TRUE(reset_at(5'000, 1'000).is_ok());
  EXPECT_EQ(reset_at(4'000, 1'000).error.code, ErrorCode::kFinalSizeError);
  EXPECT_EQ(reset_at(5'000, 1'000, 8).error.code, ErrorCode::kStreamStateError);
  EXPECT_EQ(f.receive(kStream, 4'999, 2).error.code, ErrorCode::kFinalSizeError);
  EXPECT_EQ(f.streams.receive_window().received(), 5'000u);
  StreamFixture other(Role::kServer);
  EXPECT_EQ(
      other.streams.on_reset_stream({.stream = 0, .error = 1, .final_size = 10'001, .reliable_size = 1}).error.code,
      ErrorCode::kFlowControlError);
}

TEST_F(ResetAtReceiver, WhatIsNotToldIsCredited) {
  ASSERT_TRUE(f.receive(kStream, 0, 100).is_ok());
  ASSERT_TRUE(reset_at(9'000, 100).is_ok());
  while (f.next_event()) {
  }
  f.consume_all();
  EXPECT_EQ(f.streams.receive_window().consumed(), 9'000u);
}

// --- sending ---

class ResetAtSender : public ::testing::Test {
 protected:
  ResetAtSender() { f.streams.set_peer_limits(with_reset_at()); }
  Frame reset_frame() {
    const auto frame = f.next_control();
    EXPECT_TRUE(frame && frame->type == FrameType::kResetStream);
    return *frame;
  }
  StreamFixture f{Role::kClient};
};

TEST_F(ResetAtSender, SendsTheReliablePartAndNoMore) {
  f.write(kStream, 0, 3'000);
  f.streams.reset(kStream, 7, 1'000);
  const Frame frame = reset_frame();
  EXPECT_EQ(frame.wire_type, 0x24u);
  EXPECT_EQ(frame.reset_stream.final_size, 1'000u);
  EXPECT_EQ(frame.reset_stream.reliable_size, 1'000u);
  const SentFrame reset = f.record;
  const auto data = f.next_data();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->span.length, 1'000u);
  EXPECT_FALSE(data->span.fin);
  EXPECT_FALSE(f.next_data());
  f.streams.on_acked(reset);
  EXPECT_EQ(f.streams.open_streams(), 1u) << "its bytes are not acknowledged";
  f.streams.on_acked(StreamSet::record_of(*data));
  EXPECT_EQ(f.streams.open_streams(), 0u);
  EXPECT_EQ(f.next_event_but(EventType::kStreamLimit)->type, EventType::kReleased);
}

TEST_F(ResetAtSender, OnlyTheReliablePartIsSentAgain) {
  f.write(kStream, 0, 1'000);
  f.write(kStream, 1'000, 1'000);
  const auto first = f.next_data();
  const auto second = f.next_data();
  ASSERT_TRUE(first && second);
  f.streams.reset(kStream, 7, 500);
  const Frame frame = reset_frame();
  EXPECT_EQ(frame.reset_stream.final_size, 2'000u) << "what was sent counts for flow control";
  EXPECT_EQ(frame.reset_stream.reliable_size, 500u);
  EXPECT_EQ(f.next_event_but(EventType::kStreamLimit)->type, EventType::kReleased) << "the second write";
  for (const auto& sent : {first, second}) f.streams.on_lost(StreamSet::record_of(*sent));
  const auto again = f.next_data();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->span.offset, 0u);
  EXPECT_EQ(again->span.length, 500u);
  EXPECT_FALSE(f.next_data());
}

TEST_F(ResetAtSender, ALostFrameIsSentAgain) {
  f.write(kStream, 0, 1'000);
  f.streams.reset(kStream, 7, 500);
  reset_frame();
  f.streams.on_lost(f.record);
  EXPECT_EQ(reset_frame().reset_stream.reliable_size, 500u);
}

// What was never written cannot be promised.
TEST_F(ResetAtSender, NoMoreThanWasWritten) {
  f.write(kStream, 0, 100);
  f.streams.reset(kStream, 7, 5'000);
  EXPECT_EQ(reset_frame().reset_stream.reliable_size, 100u);
}

TEST_F(ResetAtSender, StopSendingIsAnsweredByAPlainReset) {
  f.write(kStream, 0, 1'000);
  f.streams.reset(kStream, 7, 500);
  const uint64_t size = reset_frame().reset_stream.final_size;
  EXPECT_TRUE(f.streams.on_stop_sending({.stream = kStream, .error = 3}).is_ok());
  const Frame frame = reset_frame();
  EXPECT_EQ(frame.wire_type, 0x04u);
  EXPECT_EQ(frame.reset_stream.error, 7u) << "which does not change";
  EXPECT_EQ(frame.reset_stream.final_size, size) << "nor does this";
  EXPECT_FALSE(f.next_data());
}

TEST_F(ResetAtSender, APeerThatDoesNotKnowItGetsAPlainReset) {
  StreamFixture plain(Role::kClient);
  plain.streams.set_peer_limits(parameters_of(kLimits));
  plain.write(kStream, 0, 1'000);
  plain.streams.reset(kStream, 7, 500);
  const auto frame = plain.next_control();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->wire_type, 0x04u);
  EXPECT_EQ(frame->reset_stream.final_size, 0u);
}

}  // namespace
}  // namespace viaduct::quic
