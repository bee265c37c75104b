// What one command does besides what it is named for.
#include <gtest/gtest.h>

#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    connection = pair.connect();
    ASSERT_TRUE(pair.handshake());
    pair.server.consumes = false;
  }
  // The server has the whole request, and has not consumed it.
  void ask(uint64_t stream) {
    pair.client.write(connection, stream, std::vector<uint8_t>(100, 'q'), true);
    ASSERT_TRUE(pair.run_until([&] { return pair.server.finished[stream]; }));
  }
  // Says that it is the answer to the request that came last.
  Command answer(uint64_t stream, Chunk& chunk) {
    return {.type = CommandType::kWrite,
            .fin = true,
            .quiet = true,
            .connection = pair.accepted(),
            .length = chunk.size(),
            .stream = stream,
            .chunk = &chunk,
            .token = pair.server.unconsumed.back().token};
  }
  uint64_t blocks_used() {
    for (const PoolGauge& gauge : pair.server.endpoint().pools()) {
      if (gauge.name == "receive-blocks") return gauge.used;
    }
    return ~uint64_t{0};
  }

  TwoEndpoints pair;
  ConnectionHandle connection;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(500, 'a');
  Chunk content{bytes.data(), 500, [](Chunk*) {}};
};

TEST_F(Commands, AWriteGivesBackWhatItsTokenSays) {
  ask(0);
  EXPECT_EQ(blocks_used(), 1u);
  content.hold();
  pair.server.command(answer(0, content));
  ASSERT_TRUE(pair.run_until([&] { return pair.client.finished[0]; }));
  EXPECT_EQ(pair.client.received[0], bytes);
  EXPECT_EQ(blocks_used(), 0u);
}

TEST_F(Commands, QuietWritesAreToldByTheirNumber) {
  for (const uint64_t stream : {0u, 4u, 8u}) {
    ask(stream);
    content.hold();
    pair.server.command(answer(stream, content));
  }
  const auto delivered = [&] {
    uint64_t sum = 0;
    for (const Event& event : pair.server.events) sum += event.type == EventType::kDelivered ? event.value : 0;
    return sum;
  };
  ASSERT_TRUE(pair.run_until([&] { return delivered() == 3; }));
  EXPECT_TRUE(content.is_unshared());
  EXPECT_FALSE(pair.server.saw(EventType::kReleased));
}

TEST_F(Commands, QuietWritesOfAConnectionThatIsGoneAreDropped) {
  ask(0);
  content.hold();
  const Command late = answer(0, content);
  pair.server.command({.type = CommandType::kClose, .connection = pair.accepted()});
  pair.server.command(late);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.saw(EventType::kClosed); }));
  EXPECT_TRUE(content.is_unshared());
  EXPECT_EQ(blocks_used(), 0u);
}

}  // namespace
}  // namespace viaduct::quic::test
