#include "engine/stream/send_stream.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "tests/engine/stream/pattern.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kUnlimited = kMaxVarint;

// A stream with its pools; remembers what was released.
struct Sending {
  explicit Sending(uint64_t limit = kUnlimited, uint32_t range_nodes = 100)
      : writes(200), ranges(range_nodes), stream(limit) {}
  ~Sending() {
    stream.clear(ranges, released);
    take_released();
    EXPECT_EQ(writes.used(), 0u);
    EXPECT_EQ(ranges.used(), 0u);
  }

  void write(uint32_t length, bool fin = false) {
    chunks.emplace_back(end, length);
    starts.push_back(end);
    Write* node = writes.get(writes.acquire());
    node->chunk = chunks.back().get();
    node->length = length;
    stream.append(*node, fin, released);
    end += length;
    take_released();
  }
  SendSpan next(uint64_t room) { return stream.next(room, credit, ranges); }
  void ack(const SendSpan& span) {
    stream.on_acked(span.offset, span.length, span.fin, ranges, released);
    take_released();
  }
  void lose(const SendSpan& span) { stream.on_lost(span.offset, span.length, span.fin, ranges); }
  void take_released() {
    while (Write* node = released.pop_front()) {
      released_offsets.push_back(node->stream_offset);
      writes.release(writes.handle_of(*node));
    }
  }

  WritePool writes;
  RangePool ranges;
  WriteList released;
  SendStream stream;
  std::deque<PatternChunk> chunks;
  std::vector<uint64_t> starts;  // of the writes
  uint64_t end = 0;
  uint64_t credit = kUnlimited;
  std::vector<uint64_t> released_offsets;
};

TEST(SendStream, SendsEachChunkFromWhereItLies) {
  Sending f;
  f.write(10);
  f.write(20, true);
  const SendSpan first = f.next(100);
  EXPECT_EQ(first.length, 10u);
  EXPECT_EQ(first.data, f.chunks[0].get()->data());
  EXPECT_FALSE(first.fin);
  const SendSpan second = f.next(15);
  EXPECT_EQ(second.offset, 10u);
  EXPECT_EQ(second.length, 15u);
  EXPECT_FALSE(second.fin);
  const SendSpan third = f.next(100);
  EXPECT_EQ(third.data, f.chunks[1].get()->data() + 15);
  EXPECT_EQ(third.length, 5u);
  EXPECT_TRUE(third.fin);
  EXPECT_FALSE(f.stream.has_next(kUnlimited));
  f.ack(second);
  EXPECT_TRUE(f.released_offsets.empty());
  f.ack(first);
  EXPECT_EQ(f.released_offsets, std::vector<uint64_t>{0});
  EXPECT_FALSE(f.stream.is_finished());
  f.ack(third);
  EXPECT_EQ(f.released_offsets, (std::vector<uint64_t>{0, 10}));
  EXPECT_TRUE(f.stream.is_finished());
}

TEST(SendStream, SendsAnEndOfItsOwn) {
  Sending f;
  f.write(10);
  f.ack(f.next(100));
  f.write(0, true);
  EXPECT_EQ(f.released_offsets.size(), 2u) << "an empty write waits for nothing";
  EXPECT_FALSE(f.stream.is_writable());
  const SendSpan end = f.next(100);
  EXPECT_EQ(end.offset, 10u);
  EXPECT_EQ(end.length, 0u);
  EXPECT_TRUE(end.fin);
  EXPECT_FALSE(f.stream.has_next(kUnlimited));
  f.lose(end);
  EXPECT_TRUE(f.next(100).fin);
  f.ack(end);
  EXPECT_TRUE(f.stream.is_finished());
}

// proves RFC 9000 2.2-3 13.3-4
TEST(SendStream, StopsAtTheLimitsForNewBytesOnly) {
  Sending f(30);
  f.credit = 20;
  f.write(100);
  const SendSpan first = f.next(100);
  EXPECT_EQ(first.length, 20u);
  EXPECT_EQ(f.credit, 0u);
  EXPECT_FALSE(f.stream.has_next(f.credit));
  f.credit = 100;
  EXPECT_EQ(f.next(100).length, 10u);
  EXPECT_FALSE(f.stream.has_next(f.credit));
  f.lose(first);
  EXPECT_TRUE(f.stream.has_next(0));
  EXPECT_EQ(f.next(100).length, 20u);
  EXPECT_EQ(f.credit, 90u);
  EXPECT_TRUE(f.stream.window().raise(100));
  EXPECT_EQ(f.next(1000).length, 70u);
}

// What was acknowledged meanwhile, under another packet's number, is not sent again.
TEST(SendStream, SendsAgainWhatIsStillMissing) {
  Sending f;
  f.write(100);
  const SendSpan whole = f.next(100);
  f.stream.on_acked(40, 20, false, f.ranges, f.released);
  f.lose(whole);
  const SendSpan front = f.next(100);
  EXPECT_EQ(front.offset, 0u);
  EXPECT_EQ(front.length, 40u);
  f.stream.on_acked(70, 10, false, f.ranges, f.released);
  const SendSpan middle = f.next(100);
  EXPECT_EQ(middle.offset, 60u);
  EXPECT_EQ(middle.length, 10u);
  EXPECT_EQ(f.next(100).offset, 80u);
  EXPECT_FALSE(f.stream.has_next(kUnlimited));
}

// Losses that found no node of their own are sent again in their turn, not behind all that is lost later.
TEST(SendStream, SendsTheLowestLossFirstWhereNodesAreScarce) {
  Sending f(kUnlimited, 1);
  f.write(30);
  const SendSpan front = f.next(10);
  f.next(10);
  const SendSpan back = f.next(10);
  f.lose(back);
  f.lose(front);
  EXPECT_EQ(f.next(10).offset, 0u);
  EXPECT_EQ(f.next(10).offset, 20u);
}

// proves RFC 9000 3.3-1 3.3-2 13.3-1
TEST(SendStream, ResetGivesAllWritesBackAtOnce) {
  Sending f;
  f.write(10);
  f.write(10);
  const SendSpan sent = f.next(5);
  EXPECT_TRUE(f.stream.reset(77, 0, f.ranges, f.released));
  f.take_released();
  EXPECT_EQ(f.released_offsets, (std::vector<uint64_t>{0, 10}));
  EXPECT_EQ(f.stream.final_size(), 5u);
  EXPECT_EQ(f.stream.error(), 77u);
  EXPECT_FALSE(f.stream.has_next(kUnlimited));
  f.lose(sent);
  f.ack(sent);
  EXPECT_FALSE(f.stream.has_next(kUnlimited));
  EXPECT_FALSE(f.stream.reset(78, 0, f.ranges, f.released));
  EXPECT_FALSE(f.stream.is_finished());
  f.stream.on_reset_acked();
  EXPECT_TRUE(f.stream.is_finished());
}

TEST(SendStream, CannotBeResetOnceAllHasArrived) {
  Sending f;
  f.write(10, true);
  f.ack(f.next(100));
  EXPECT_FALSE(f.stream.reset(1, 0, f.ranges, f.released));
}

// Random writes, packets and fates: every byte that is sent is right, the peer gets all of them in the end, and
// writes come back in order, when their bytes have arrived and not before. Also where range nodes are scarce.
// proves RFC 9000 2.2-2 4.5-2
RC_GTEST_PROP(SendStream, BringsEveryByteAcross, ()) {
  Sending f(kUnlimited, *rc::gen::element(0u, 1u, 4u, 100u));
  std::vector<bool> arrived;
  std::vector<SendSpan> in_flight;
  bool ended = false;
  const auto send = [&](uint64_t room) {
    const SendSpan span = f.next(room);
    if (span.length == 0 && !span.fin) return false;
    RC_ASSERT(span.offset + span.length <= f.end);
    RC_ASSERT(is_pattern(span.offset, {span.data, span.length}));
    RC_ASSERT(!span.fin || (ended && span.offset + span.length == f.end));
    in_flight.push_back(span);
    return true;
  };
  const auto settle = [&](size_t i, bool is_acked) {
    const SendSpan span = in_flight[i];
    in_flight.erase(in_flight.begin() + static_cast<ptrdiff_t>(i));
    if (!is_acked) return f.lose(span);
    arrived.resize(f.end);
    for (uint64_t at = span.offset; at < span.offset + span.length; ++at) arrived[at] = true;
    f.ack(span);
  };

  const auto operations = *rc::gen::inRange(0, 150);
  for (int i = 0; i < operations; ++i) {
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        if (ended) break;
        ended = *rc::gen::inRange(0, 20) == 0;
        f.write(*rc::gen::inRange<uint32_t>(0, 60), ended);
        break;
      case 1:
        send(*rc::gen::inRange<uint64_t>(0, 40));
        break;
      default:
        if (!in_flight.empty()) settle(*rc::gen::inRange<size_t>(0, in_flight.size()), *rc::gen::inRange(0, 3) > 0);
    }
    RC_ASSERT(std::is_sorted(f.released_offsets.begin(), f.released_offsets.end()));
    // The last write released ends where the next one begins.
    const size_t count = f.released_offsets.size();
    const uint64_t released = count < f.starts.size() ? f.starts[count] : f.end;
    arrived.resize(f.end);
    RC_ASSERT(std::find(arrived.begin(), arrived.begin() + static_cast<ptrdiff_t>(released), false) ==
              arrived.begin() + static_cast<ptrdiff_t>(released));
  }
  if (!ended) f.write(0, true);
  ended = true;
  for (int i = 0; i < 10'000 && !f.stream.is_finished(); ++i) {
    RC_ASSERT(send(100) || !in_flight.empty());
    settle(0, true);
  }
  RC_ASSERT(f.stream.is_finished());
  RC_ASSERT(f.released_offsets.size() == f.chunks.size());
}

}  // namespace
}  // namespace viaduct::quic
