#include "base/worker_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "tests/support/fake_port.h"
#include "tests/support/verdict_marks.h"

namespace viaduct {
namespace {

using test::FakeClock;
using test::FakePool;
using test::FakePort;
using test::SleepingPort;

// Answers every packet with one of the same first byte, whose value tells the owner.
class Echo {
 public:
  explicit Echo(unsigned workers = 1) : workers_(workers) {}

  unsigned owner_of(const Packet& packet) { return packet.data()[0] % workers_; }
  void ingest(std::span<Packet*> burst, Instant now) {
    last_now = now;
    for (Packet* packet : burst) {
      answers_.push_back(packet->data()[0]);
      done_.push_back(packet);
    }
    ingested += burst.size();
  }
  void step(Instant now) {
    ++steps;
    last_now = now;
    if (deadline_ <= now) {
      ++expired;
      deadline_ = Instant::never();
    }
  }
  size_t build(std::span<Packet*> burst, Instant) {
    const size_t count = std::min(burst.size(), answers_.size());
    for (Packet* packet : burst.first(count)) {
      packet->length = 1;
      packet->data()[0] = answers_.front();
      answers_.pop_front();
    }
    return count;
  }
  std::span<Packet*> released() {
    returned_ = std::move(done_);
    done_.clear();
    return returned_;
  }
  Instant deadline() const { return answers_.empty() ? deadline_ : Instant(); }

  void set_deadline(Instant deadline) { deadline_ = deadline; }
  // Of its own accord, as a transport does that sends data.
  void say(uint8_t value) { answers_.push_back(value); }

  std::atomic<size_t> ingested = 0;
  size_t steps = 0;
  size_t expired = 0;
  Instant last_now;

 private:
  unsigned workers_;
  std::deque<uint8_t> answers_;
  std::vector<Packet*> done_, returned_;
  Instant deadline_ = Instant::never();
};

class OneWorker : public testing::Test {
 protected:
  using Loop = WorkerLoop<FakePort, Echo, FakeClock>;
  Loop make_loop(IdlePolicy policy = IdlePolicy::kAdaptive) {
    return Loop(port, echo, hand_off, quiescence, {.idle_policy = policy}, FakeClock{&time});
  }

  Instant time = Instant::from_ns(1'000'000);
  FakePool pool{256};
  FakePort port{pool};
  Echo echo;
  HandOff hand_off{1, 16};
  Quiescence quiescence;
};

TEST_F(OneWorker, AnswersWithinTheRound) {
  Loop loop = make_loop();
  for (uint8_t i = 0; i < 5; ++i) port.deliver(i);
  loop.run_once();
  EXPECT_EQ(port.sent, (std::vector<uint8_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(echo.last_now, time);
  loop.drain();
  EXPECT_EQ(pool.used(), 0u);
}

TEST_F(OneWorker, KeepsWhatThePortDoesNotTakeAndBuildsNothingMeanwhile) {
  Loop loop = make_loop();
  for (uint8_t i = 0; i < 10; ++i) port.deliver(i);
  port.send_room = 3;
  loop.run_once();
  EXPECT_EQ(loop.stats().backlog.value(), 7u);
  port.deliver(10);
  loop.run_once();
  EXPECT_EQ(loop.stats().built.value(), 10u);
  EXPECT_EQ(loop.stats().backlog.value(), 7u);
  EXPECT_EQ(echo.ingested, 11u) << "receiving goes on";
  port.send_room = SIZE_MAX;
  loop.run_once();
  loop.run_once();
  EXPECT_EQ(port.sent, (std::vector<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})) << "in order, each once";
  EXPECT_EQ(loop.stats().backlog.value(), 0u);
}

TEST_F(OneWorker, DrainReturnsTheBacklog) {
  Loop loop = make_loop();
  for (uint8_t i = 0; i < 10; ++i) port.deliver(i);
  port.send_room = 3;
  loop.run_once();
  loop.drain();
  EXPECT_EQ(pool.used(), 0u);
}

TEST_F(OneWorker, SleepsUntilTheHandlersDeadline) {
  Loop loop = make_loop();
  echo.set_deadline(time + Duration::milliseconds(5));
  loop.run_once();
  ASSERT_EQ(port.waits, std::vector<Instant>{time + Duration::milliseconds(5)});
  time = port.waits[0];
  loop.run_once();
  EXPECT_EQ(echo.expired, 1u);
  EXPECT_EQ(port.waits.back(), Instant::never());
}

TEST_F(OneWorker, DoesNotSleepOverADeadlineThatHasCome) {
  Loop loop = make_loop();
  loop.run_once();
  const size_t waits = port.waits.size();
  for (uint8_t i = 0; i < 2 * kBurst; ++i) port.deliver(i);
  for (int i = 0; i < 3; ++i) loop.run_once();
  EXPECT_EQ(port.waits.size(), waits);
  EXPECT_EQ(port.sent.size(), 2 * kBurst);
}

TEST_F(OneWorker, LooksAroundForAWhileAfterAPacketAndThenSleeps) {
  Loop loop = make_loop();
  port.deliver(1);
  loop.run_once();
  for (int us = 0; us < 50; ++us) {
    time = time + Duration::microseconds(1);
    loop.run_once();
  }
  EXPECT_EQ(port.waits.size(), 0u);
  time = time + Duration::microseconds(1);
  loop.run_once();
  EXPECT_EQ(port.waits.size(), 1u);
  loop.run_once();
  EXPECT_EQ(port.waits.size(), 2u) << "woken for nothing it sleeps again at once";
}

TEST_F(OneWorker, PollPolicyNeverSleeps) {
  Loop loop = make_loop(IdlePolicy::kPoll);
  for (int i = 0; i < 1'000; ++i) {
    time = time + Duration::milliseconds(1);
    loop.run_once();
  }
  EXPECT_TRUE(port.waits.empty());
  EXPECT_EQ(echo.steps, 1'000u);
}

TEST_F(OneWorker, RetriesSoonWhileThePortIsFull) {
  Loop loop = make_loop();
  port.deliver(1);
  port.send_room = 0;
  loop.run_once();
  time = time + Duration::seconds(1);
  loop.run_once();
  time = time + Duration::seconds(1);
  loop.run_once();
  ASSERT_FALSE(port.waits.empty());
  EXPECT_LE(port.waits.back() - time, Duration::milliseconds(1));
}

TEST_F(OneWorker, CountsTheTimeOfBusyRoundsOnly) {
  Loop loop = make_loop(IdlePolicy::kPoll);
  port.deliver(1);
  loop.run_once();
  time = time + Duration::microseconds(7);
  loop.run_once();
  time = time + Duration::microseconds(100);
  loop.run_once();
  EXPECT_EQ(loop.stats().busy_loops.value(), 1u);
  EXPECT_EQ(loop.stats().busy_ns.value(), 7'000u);
  EXPECT_EQ(loop.stats().loops.value(), 3u);
}

// Work is work, also where the port had no room for what came of it.
TEST_F(OneWorker, ARoundThatBuiltPacketsWasBusyThoughThePortTookNone) {
  Loop loop = make_loop(IdlePolicy::kPoll);
  port.send_room = 0;
  echo.say(1);
  loop.run_once();
  time = time + Duration::microseconds(7);
  loop.run_once();
  EXPECT_EQ(loop.stats().built.value(), 1u);
  EXPECT_EQ(loop.stats().busy_loops.value(), 1u);
  EXPECT_EQ(loop.stats().busy_ns.value(), 7'000u);
  loop.drain();
}

TEST_F(OneWorker, SleepingWorkerHoldsNoSnapshotUp) {
  Loop loop = make_loop();
  quiescence.online(0);
  Snapshot<int> snapshot(quiescence, std::make_unique<const int>(1));
  snapshot.publish(std::make_unique<const int>(2));
  EXPECT_EQ(snapshot.reclaim(), 1u);
  loop.run_once();
  EXPECT_EQ(snapshot.reclaim(), 0u);
}

TEST_F(OneWorker, EmptyPoolDelaysAnswersAndLosesNone) {
  Loop loop = make_loop(IdlePolicy::kPoll);
  std::vector<Packet*> hoard;
  for (uint8_t i = 0; i < 8; ++i) port.deliver(i);
  while (Packet* packet = pool.take()) hoard.push_back(packet);
  loop.run_once();
  EXPECT_TRUE(port.sent.empty()) << "nothing to build in, but what came in is released";
  loop.run_once();
  EXPECT_EQ(port.sent.size(), 8u);
  loop.drain();
  EXPECT_EQ(pool.used(), hoard.size());
}

TEST(TwoWorkers, PacketsOfAFullRingAreDroppedAndCounted) {
  Instant time;
  FakePool pool(128);
  FakePort port(pool);
  Echo echo(2);
  HandOff hand_off(2, 4);
  Quiescence quiescence;
  WorkerLoop<FakePort, Echo, FakeClock> loop(port, echo, hand_off, quiescence, {.worker = 0}, FakeClock{&time});
  for (uint8_t i = 0; i < 20; ++i) port.deliver(i);
  loop.run_once();
  EXPECT_EQ(echo.ingested, 10u);
  EXPECT_EQ(loop.stats().handed_off.value(), 4u);
  EXPECT_EQ(loop.verdicts()[kHandOffFull], 6u);
  EXPECT_EQ(loop.stats().received.value(), echo.ingested + loop.stats().handed_off.value() + loop.verdicts().sum());
  Packet* handed[kBurst];
  port.release(std::span(handed).first(hand_off.take(1, handed)));
  loop.drain();
  EXPECT_EQ(pool.used(), 0u);
}

// Each of three workers receives packets of all; every one reaches its owner's handler and is answered there.
TEST(ManyWorkers, OnThreadsEachPacketReachesItsOwner) {
  constexpr unsigned kWorkers = 3;
  constexpr size_t kPackets = 300;
  FakePool pool(kWorkers * (kPackets + 3 * kBurst));
  HandOff hand_off(kWorkers, 512);
  Quiescence quiescence;
  using Loop = WorkerLoop<SleepingPort, Echo>;
  struct OneOfMany {
    explicit OneOfMany(FakePool& pool) : port(pool), echo(kWorkers) {}
    SleepingPort port;
    Echo echo;
    std::unique_ptr<Loop> loop;
    std::thread thread;
  };
  std::vector<std::unique_ptr<OneOfMany>> workers;
  for (unsigned i = 0; i < kWorkers; ++i) {
    auto& worker = *workers.emplace_back(std::make_unique<OneOfMany>(pool));
    for (size_t p = 0; p < kPackets; ++p) worker.port.deliver(static_cast<uint8_t>(p % 255));
    worker.loop = std::make_unique<Loop>(worker.port, worker.echo, hand_off, quiescence, WorkerOptions{.worker = i});
  }
  std::atomic<bool> stop = false;
  for (auto& worker : workers) worker->thread = std::thread([&worker, &stop] { worker->loop->run(stop); });
  size_t done = 0;
  while (done < kWorkers * kPackets) {
    std::this_thread::yield();
    done = 0;
    for (auto& worker : workers) done += worker->echo.ingested + worker->loop->verdicts()[kHandOffFull];
  }
  stop = true;
  for (auto& worker : workers) worker->port.wake();
  for (auto& worker : workers) worker->thread.join();
  for (unsigned i = 0; i < kWorkers; ++i) {
    workers[i]->loop->drain();
    EXPECT_FALSE(workers[i]->port.overslept);
    for (const uint8_t byte : workers[i]->port.sent) EXPECT_EQ(byte % kWorkers, i);
    EXPECT_GT(workers[i]->loop->stats().taken.value(), 0u);
  }
  EXPECT_EQ(pool.used(), 0u);
}

}  // namespace
}  // namespace viaduct
