#include "engine/stream/receive_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/engine/stream/pattern.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kWindow = 10'000;

struct Receiving {
  ~Receiving() {
    stream.clear(store);
    EXPECT_EQ(store.use().used(), 0u);
  }
  FrameOutcome receive(uint64_t offset, size_t size, bool fin = false) {
    const auto data = pattern(offset, size);
    return stream.on_stream({.stream = 0, .offset = offset, .data = data, .fin = fin}, connection, store);
  }
  FrameOutcome receive_reset(uint64_t final_size, uint64_t error = 9) {
    return stream.on_reset({.stream = 0, .error = error, .final_size = final_size}, connection, store);
  }
  // Reads and gives back what there is; whether the end was among it.
  bool read_all() {
    bool fin = false;
    while (stream.has_data_event()) {
      const LentBytes lent = stream.read(store, fin);
      EXPECT_TRUE(is_pattern(read, lent.bytes));
      read += lent.bytes.size();
      if (lent.bytes.empty()) continue;
      connection.consume(store.consume(lent.token).length);
    }
    return fin;
  }

  ReceiveStore store{32, 1};
  ReceiveWindow connection{2 * kWindow, 2 * kWindow};
  ReceiveStream stream{0, kWindow, kWindow};
  uint64_t read = 0;
};

TEST(ReceiveStream, EndsWhereItsFinSays) {
  Receiving f;
  EXPECT_TRUE(f.receive(100, 100, true).is_ok());
  EXPECT_FALSE(f.stream.has_data_event());
  EXPECT_FALSE(f.stream.is_receiving());
  EXPECT_TRUE(f.receive(0, 100).is_ok());
  EXPECT_TRUE(f.read_all());
  EXPECT_EQ(f.read, 200u);
  EXPECT_TRUE(f.stream.is_finished());
  EXPECT_TRUE(f.receive(50, 150, true).is_ok()) << "repeated";
}

TEST(ReceiveStream, MayBeOneFrame) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100, true).is_ok());
  EXPECT_EQ(f.store.use().used(), 1u);
  EXPECT_TRUE(f.receive(0, 100, true).is_ok()) << "repeated";
  EXPECT_TRUE(f.receive(0, 50).is_ok());
  EXPECT_TRUE(f.receive_reset(100).is_ok()) << "too late to mean anything";
  EXPECT_EQ(f.receive(0, 101, true).error.code, ErrorCode::kFinalSizeError);
  EXPECT_FALSE(f.stream.has_reset_event());
  EXPECT_TRUE(f.read_all());
  EXPECT_EQ(f.read, 100u);
  EXPECT_TRUE(f.stream.is_finished());
  EXPECT_EQ(f.connection.consumed(), 100u);
  EXPECT_TRUE(f.receive(0, 100, true).is_ok()) << "repeated when it is over";
  EXPECT_FALSE(f.stream.has_data_event());
}

TEST(ReceiveStream, OfOneFrameMayBeStoppedBeforeItIsRead) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100, true).is_ok());
  EXPECT_FALSE(f.stream.stop(f.connection, f.store)) << "all of it is here";
  EXPECT_FALSE(f.stream.has_data_event());
  EXPECT_EQ(f.connection.consumed(), 100u);
  EXPECT_EQ(f.store.use().used(), 0u);
}

TEST(ReceiveStream, OfOneFrameNeedsRoomLikeAnyOther) {
  Receiving f;
  std::vector<uint64_t> taken;
  while (const uint64_t token = f.store.lend_whole(pattern(0, 1))) taken.push_back(token);
  EXPECT_EQ(taken.size(), 32u);
  EXPECT_TRUE(f.receive(0, 100, true).no_room);
  EXPECT_EQ(f.connection.received(), 0u);
  f.store.consume(taken.back());
  taken.pop_back();
  EXPECT_TRUE(f.receive(0, 100, true).is_ok());
  EXPECT_TRUE(f.read_all());
  for (const uint64_t token : taken) f.store.consume(token);
}

TEST(ReceiveStream, MayEndWithoutBytes) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 10).is_ok());
  EXPECT_FALSE(f.read_all());
  EXPECT_TRUE(f.receive(10, 0, true).is_ok());
  EXPECT_TRUE(f.stream.has_data_event());
  EXPECT_TRUE(f.read_all());
  EXPECT_FALSE(f.stream.has_data_event());
}

// RFC 9000 section 4.5.
// proves RFC 9000 4.5-3 4.5-4
TEST(ReceiveStream, AFinalSizeIsFinal) {
  struct Case {
    const char* what;
    uint64_t offset;
    size_t size;
    bool fin;
  };
  for (const Case& c : {Case{"beyond", 150, 100, false}, Case{"lower", 0, 100, true}, Case{"higher", 200, 1, true}}) {
    Receiving f;
    EXPECT_TRUE(f.receive(100, 100, true).is_ok());
    EXPECT_EQ(f.receive(c.offset, c.size, c.fin).error.code, ErrorCode::kFinalSizeError) << c.what;
  }
  Receiving below;
  EXPECT_TRUE(below.receive(100, 100).is_ok());
  EXPECT_EQ(below.receive(0, 150, true).error.code, ErrorCode::kFinalSizeError) << "below what has come";
  Receiving reset;
  EXPECT_TRUE(reset.receive(100, 100, true).is_ok());
  EXPECT_EQ(reset.receive_reset(201).error.code, ErrorCode::kFinalSizeError);
  EXPECT_EQ(reset.receive_reset(199).error.code, ErrorCode::kFinalSizeError);
}

// proves RFC 9000 4.1-2 19.10-4
TEST(ReceiveStream, LimitsHoldForOffsetsAndNotForBytes) {
  Receiving f;
  EXPECT_TRUE(f.receive(kWindow - 1, 1).is_ok());
  EXPECT_EQ(f.connection.received(), kWindow);
  EXPECT_TRUE(f.receive(kWindow - 1, 1).is_ok());
  EXPECT_EQ(f.connection.received(), kWindow) << "counted once";
  EXPECT_EQ(f.receive(kWindow, 1).error.code, ErrorCode::kFlowControlError);

  Receiving narrow;
  narrow.connection = ReceiveWindow(100, 100);
  EXPECT_EQ(narrow.receive(50, 51).error.code, ErrorCode::kFlowControlError) << "the connection's";
  EXPECT_TRUE(narrow.receive(50, 50).is_ok());
}

// A reset's final size counts for flow control like bytes, and is credited at once: nobody will read it.
// proves RFC 9000 4.5-1
TEST(ReceiveStream, AResetIsChargedAndCredited) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100).is_ok());
  f.read_all();
  EXPECT_TRUE(f.receive(200, 100).is_ok());
  EXPECT_TRUE(f.receive_reset(1000).is_ok());
  EXPECT_EQ(f.connection.received(), 1000u);
  EXPECT_EQ(f.connection.consumed(), 1000u);
  EXPECT_EQ(f.store.use().used(), 0u);
  EXPECT_FALSE(f.stream.has_data_event());
  ASSERT_TRUE(f.stream.has_reset_event());
  EXPECT_FALSE(f.stream.is_finished());
  EXPECT_EQ(f.stream.take_reset_event(), 9u);
  EXPECT_TRUE(f.stream.is_finished());
  EXPECT_TRUE(f.receive(300, 100).is_ok()) << "late bytes are ignored";
  EXPECT_TRUE(f.receive_reset(1000).is_ok());
  EXPECT_EQ(f.connection.consumed(), 1000u);

  Receiving wide;
  EXPECT_EQ(wide.receive_reset(kWindow + 1).error.code, ErrorCode::kFlowControlError);
}

TEST(ReceiveStream, AResetAfterTheLastByteIsIgnored) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100, true).is_ok());
  EXPECT_TRUE(f.receive_reset(100).is_ok());
  EXPECT_FALSE(f.stream.has_reset_event());
  EXPECT_TRUE(f.read_all());
}

TEST(ReceiveStream, StoppedItDropsAndCreditsWhatComes) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100).is_ok());
  EXPECT_TRUE(f.stream.stop(f.connection, f.store));
  EXPECT_EQ(f.connection.consumed(), 100u);
  EXPECT_TRUE(f.receive(500, 100).is_ok());
  EXPECT_EQ(f.connection.consumed(), 600u);
  EXPECT_EQ(f.store.use().used(), 0u);
  EXPECT_FALSE(f.stream.is_finished());
  EXPECT_FALSE(f.stream.stop(f.connection, f.store));
  EXPECT_TRUE(f.receive_reset(700).is_ok());
  EXPECT_EQ(f.connection.consumed(), 700u);
  EXPECT_FALSE(f.stream.has_reset_event());
  EXPECT_TRUE(f.stream.is_finished());
}

// Bytes lent before a stop or a reset are credited when they come back, and only then.
TEST(ReceiveStream, LentBytesAreCreditedOnce) {
  Receiving f;
  EXPECT_TRUE(f.receive(0, 100).is_ok());
  bool fin;
  const LentBytes lent = f.stream.read(f.store, fin);
  EXPECT_TRUE(f.receive(100, 50).is_ok());
  EXPECT_TRUE(f.receive_reset(200).is_ok());
  EXPECT_EQ(f.connection.consumed(), 100u);
  f.connection.consume(f.store.consume(lent.token).length);
  EXPECT_EQ(f.connection.consumed(), f.connection.received());
}

TEST(ReceiveStream, ChangesNothingWhereTheStoreIsFull) {
  Receiving f;
  std::vector<std::unique_ptr<Reassembly>> others;
  for (uint64_t i = 0; i < 32; ++i) {
    others.push_back(std::make_unique<Reassembly>(i));
    EXPECT_TRUE(others.back()->insert(f.store, 0, pattern(0, 1)));
  }
  const FrameOutcome outcome = f.receive(0, 100, true);
  EXPECT_TRUE(outcome.no_room);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(f.connection.received(), 0u);
  EXPECT_TRUE(f.stream.is_receiving());
  for (auto& other : others) other->discard(f.store);
  EXPECT_TRUE(f.receive(0, 100, true).is_ok());
}

}  // namespace
}  // namespace viaduct::quic
