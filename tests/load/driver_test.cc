// The driver over a fake engine: what it asks for and when, and what it makes of the answers.
#include "apps/load/driver.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/http3/fake_engine.h"

namespace viaduct::load {
namespace {

struct FakeConnector : Connector {
  http3::FakeEngine* engine = nullptr;
  uint32_t connects = 0, moves = 0;
  bool has_room = true, can_move = true, has_ticket = false;
  std::optional<quic::ConnectionHandle> connect(uint32_t slot) override {
    if (!has_room) return std::nullopt;
    ++connects;
    last_slot = slot;
    return engine->connection;
  }
  bool move(uint32_t, quic::ConnectionHandle connection) override {
    EXPECT_EQ(connection, engine->connection);
    ++moves;
    return can_move;
  }
  bool can_resume(uint32_t) const override { return has_ticket; }
  uint32_t last_slot = 0;
};

// One connection; the test is the server.
class OneConnection : public testing::Test {
 protected:
  void start() {
    config.urls = {*Url::parse("https://a.example/x")};
    config.transport.max_connections = 8;
    connector.engine = &engine;
    driver = std::make_unique<Driver>(config, share_of(config, 0), connector);
    client = std::make_unique<http3::Client>(http3::ClientLimits{.max_connections = 8, .max_requests = 64},
                                             engine.channel, chunks, *driver);
    driver->drive(*client);
    run(Phase::kOpening);
    if (connector.connects > 0) engine.open();
    run(Phase::kOpening);
  }
  void open_to_be_resumed() {
    config.work = Work::kHandshakes;
    config.resume = true;
    start();
    run(Phase::kMeasuring);
    engine.open();
    run(Phase::kMeasuring);
  }
  void TearDown() override {
    if (!engine.closed_with) engine.close();
    run(Phase::kEnding);
    engine.release_all();
    run(Phase::kEnding);
    client.reset();
  }
  void run(Phase phase) {
    for (int i = 0; i < 3; ++i) {
      driver->set_time(now);
      client->step();
      driver->step(phase, now);
      engine.take();
    }
  }
  // Requests that were begun.
  size_t asked() const {
    size_t count = 0;
    for (const auto& [stream, out] : engine.out) count += stream % 4 == 0;
    return count;
  }
  void answer(uint64_t stream, std::string_view status = "200") {
    engine.data(stream, http3::headers({{":status", status}}), true);
  }

  Config config;
  http3::FakeEngine engine;
  FakeConnector connector;
  ChunkPool chunks{64, 1024};
  std::unique_ptr<Driver> driver;
  std::unique_ptr<http3::Client> client;
  Instant now = Instant::from_ns(1'000'000'000);
};

TEST_F(OneConnection, AsksNothingBeforeTheWorkBegins) {
  start();
  EXPECT_TRUE(driver->is_ready());
  EXPECT_EQ(asked(), 0u);
  EXPECT_EQ(driver->counters().connections_open.value(), 1u);
}

TEST_F(OneConnection, ClosedLoopKeepsAsManyInFlightAsAllowed) {
  config.in_flight = 3;
  start();
  run(Phase::kMeasuring);
  EXPECT_EQ(asked(), 3u);
  answer(4);
  now = now + Duration::microseconds(250);
  run(Phase::kMeasuring);
  EXPECT_EQ(asked(), 4u);
  EXPECT_EQ(driver->counters().requests_done.value(), 1u);
  EXPECT_EQ(driver->latencies().count(), 1u);
  EXPECT_NEAR(static_cast<double>(driver->latencies().max().ns()), 250'000, 1'000);
}

TEST_F(OneConnection, LatenciesOfTheWarmUpAreNotNoted) {
  start();
  run(Phase::kWarmUp);
  answer(0);
  run(Phase::kWarmUp);
  EXPECT_EQ(driver->counters().requests_done.value(), 1u);
  EXPECT_EQ(driver->latencies().count(), 0u);
}

// At 1,000 per second the answer to the first takes 10 ms with one in flight: ten more were due meanwhile, and each
// one's latency counts from when it was due.
TEST_F(OneConnection, OpenLoopCountsFromWhenARequestWasDue) {
  config.rate = 1'000;
  start();
  run(Phase::kMeasuring);
  EXPECT_EQ(asked(), 1u);
  now = now + Duration::milliseconds(10);
  answer(0);
  run(Phase::kMeasuring);
  ASSERT_EQ(asked(), 2u);
  now = now + Duration::milliseconds(1);
  answer(4);
  run(Phase::kMeasuring);
  EXPECT_EQ(driver->latencies().count(), 2u);
  EXPECT_NEAR(static_cast<double>(driver->latencies().max().us()), 10'000, 50);
  EXPECT_NEAR(static_cast<double>(driver->latencies().quantile(0.5).us()), 10'000, 50)
      << "due after 1 ms, answered after 11";
}

TEST_F(OneConnection, OpenLoopSaysWhenItIsDueNext) {
  config.rate = 1'000;
  config.in_flight = 8;
  start();
  run(Phase::kMeasuring);
  EXPECT_EQ(driver->deadline(), now + Duration::milliseconds(1));
}

TEST_F(OneConnection, EndsAfterItsTotal) {
  config.total = 2;
  start();
  run(Phase::kMeasuring);
  answer(0);
  run(Phase::kMeasuring);
  EXPECT_FALSE(driver->is_done());
  answer(4);
  run(Phase::kMeasuring);
  EXPECT_TRUE(driver->is_done());
  EXPECT_EQ(asked(), 2u);
}

TEST_F(OneConnection, FailedRequestsAreCountedAndHaveNoLatency) {
  start();
  run(Phase::kMeasuring);
  answer(0, "404");
  run(Phase::kMeasuring);
  engine.reset(4);
  run(Phase::kMeasuring);
  EXPECT_EQ(driver->counters().requests_failed.value(), 2u);
  EXPECT_EQ(driver->counters().by_class[4].value(), 1u);
  EXPECT_EQ(driver->latencies().count(), 0u);
  EXPECT_NE(driver->last_problem().find("0x10c"), std::string::npos) << driver->last_problem();
}

TEST_F(OneConnection, RequestsCutOffAtTheEndAreNoFailures) {
  start();
  run(Phase::kMeasuring);
  run(Phase::kEnding);
  EXPECT_EQ(engine.closed_with, 0x100u);
  EXPECT_EQ(driver->counters().requests_failed.value(), 0u);
}

TEST_F(OneConnection, ALostConnectionIsCountedAndReplaced) {
  start();
  run(Phase::kMeasuring);
  engine.close();
  run(Phase::kMeasuring);
  EXPECT_EQ(driver->counters().connections_lost.value(), 1u);
  EXPECT_EQ(driver->counters().connections_open.value(), 0u);
  EXPECT_EQ(connector.connects, 2u);
}

TEST_F(OneConnection, HandshakesCloseAndBeginAnew) {
  config.work = Work::kHandshakes;
  start();
  EXPECT_EQ(connector.connects, 0u) << "handshakes are the work: none before it begins";
  EXPECT_TRUE(driver->is_ready());
  run(Phase::kMeasuring);
  EXPECT_EQ(connector.connects, 1u);
  engine.open();
  run(Phase::kMeasuring);
  EXPECT_EQ(engine.closed_with, 0x100u);
  EXPECT_EQ(driver->counters().handshakes.value(), 1u);
  engine.close();
  run(Phase::kMeasuring);
  EXPECT_EQ(connector.connects, 2u);
  EXPECT_EQ(driver->counters().connections_lost.value(), 0u);
}

TEST_F(OneConnection, StaysForTheTicketThatTheNextConnectionIsToResume) {
  open_to_be_resumed();
  EXPECT_FALSE(engine.closed_with) << "closed without the ticket";
  EXPECT_LE(driver->deadline() - now, Duration::milliseconds(1)) << "nothing else would wake the worker";
  connector.has_ticket = true;
  run(Phase::kMeasuring);
  EXPECT_EQ(engine.closed_with, 0x100u);
}

TEST_F(OneConnection, LeavesWithoutATicketAfterAWhile) {
  open_to_be_resumed();
  now = now + Duration::seconds(1);
  run(Phase::kMeasuring);
  EXPECT_EQ(engine.closed_with, 0x100u);
}

TEST_F(OneConnection, IdleConnectionsSayNothing) {
  config.work = Work::kIdle;
  start();
  run(Phase::kMeasuring);
  EXPECT_EQ(asked(), 0u);
}

TEST_F(OneConnection, HeldConnectionsSayNothing) {
  config.connections = 0;
  config.held = 1;
  start();
  EXPECT_TRUE(driver->is_ready());
  run(Phase::kMeasuring);
  EXPECT_EQ(asked(), 0u);
  EXPECT_EQ(driver->counters().connections_open.value(), 1u);
}

TEST_F(OneConnection, MovesAtTheRateAskedFor) {
  config.migrations = 100;
  config.work = Work::kIdle;
  start();
  run(Phase::kMeasuring);
  now = now + Duration::milliseconds(50);
  for (int i = 0; i < 10; ++i) run(Phase::kMeasuring);
  EXPECT_EQ(connector.moves, 6u) << "one at once, then one each 10 ms";
  EXPECT_EQ(driver->counters().migrations.value(), 6u);
}

TEST_F(OneConnection, MovesThatCannotBeAreNotCountedNorTriedAtOnceAgain) {
  config.migrations = 100;
  config.work = Work::kIdle;
  connector.can_move = false;
  start();
  for (int i = 0; i < 10; ++i) run(Phase::kMeasuring);
  EXPECT_EQ(connector.moves, 1u);
  EXPECT_EQ(driver->counters().migrations.value(), 0u);
  EXPECT_EQ(driver->deadline(), now + Duration::milliseconds(10));
}

TEST(Shares, AddUpToTheWhole) {
  Config config;
  config.workers = 3;
  config.connections = 10;
  config.total = 100;
  uint32_t connections = 0;
  uint64_t total = 0;
  for (unsigned worker = 0; worker < 3; ++worker) {
    connections += share_of(config, worker).connections;
    total += share_of(config, worker).total;
  }
  EXPECT_EQ(connections, 10u);
  EXPECT_EQ(total, 100u);
}

}  // namespace
}  // namespace viaduct::load
