#include "base/stage_meter.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "base/worker_loop.h"
#include "tests/support/fake_port.h"

namespace viaduct {
namespace {

uint64_t counter = 0;
uint64_t read_counter() { return counter; }

uint64_t preemptions = 0;
uint64_t read_preemptions() { return preemptions; }

void spend(uint64_t cycles) { counter += cycles; }
void spend_preempted(uint64_t cycles) {
  counter += cycles;
  ++preemptions;
}

TEST(StageMeter, BooksWhatPassesBetweenStages) {
  StageMeter meter(&read_counter);
  spend(5);
  meter.enter(Stage::kOpen);
  spend(100);
  meter.enter(Stage::kFrames);
  spend(20);
  meter.enter(Stage::kOpen);
  spend(3);
  meter.end_round(true);
  EXPECT_EQ(meter.cycles(Stage::kReceive), 5u);
  EXPECT_EQ(meter.cycles(Stage::kOpen), 103u);
  EXPECT_EQ(meter.cycles(Stage::kFrames), 20u);
  EXPECT_EQ(meter.busy(), 128u);
  EXPECT_EQ(meter.total(), 128u);
}

TEST(StageMeter, EveryStageHasANameOfItsOwn) {
  const std::set<std::string_view> names(kStageNames.begin(), kStageNames.end());
  EXPECT_EQ(names.size(), kStages);
  EXPECT_FALSE(names.contains(""));
}

TEST(StageMeter, ARoundThatMovedNothingWasIdleAsAWhole) {
  StageMeter meter(&read_counter);
  spend(5);
  meter.enter(Stage::kSend);
  spend(7);
  meter.end_round(false);
  EXPECT_EQ(meter.cycles(Stage::kIdle), 12u);
  EXPECT_EQ(meter.busy(), 0u);
}

TEST(StageMeter, TheNextRoundBeginsWithReceiving) {
  StageMeter meter(&read_counter);
  meter.enter(Stage::kSend);
  meter.end_round(true);
  spend(9);
  meter.end_round(true);
  EXPECT_EQ(meter.cycles(Stage::kReceive), 9u);
}

TEST(StageMeter, WhatTookLongWhileTheCpuWasTakenAwayWasSomebodyElses) {
  StageMeter meter(&read_counter, &read_preemptions);
  meter.enter(Stage::kSeal);
  spend_preempted(StageMeter::kLongest);
  meter.enter(Stage::kSend);
  spend_preempted(StageMeter::kLongest + 1);
  meter.end_round(true);
  EXPECT_EQ(meter.cycles(Stage::kSeal), StageMeter::kLongest);
  EXPECT_EQ(meter.cycles(Stage::kStolen), StageMeter::kLongest + 1);
  EXPECT_EQ(meter.busy(), StageMeter::kLongest);
  spend_preempted(StageMeter::kLongest + 5);
  meter.end_round(false);
  EXPECT_EQ(meter.cycles(Stage::kStolen), 2 * StageMeter::kLongest + 6) << "nor was it idle then";
  meter.enter(Stage::kIdle);
  spend_preempted(StageMeter::kLongest + 7);
  meter.end_round(false);
  EXPECT_EQ(meter.cycles(Stage::kIdle), StageMeter::kLongest + 7) << "sleep may be long";
}

// Several handshakes in one burst.
TEST(StageMeter, WorkOfOurOwnMayTakeLong) {
  StageMeter meter(&read_counter, &read_preemptions);
  meter.enter(Stage::kTls);
  spend_preempted(StageMeter::kLongest + 1);
  meter.end_round(true);
  meter.enter(Stage::kTls);
  spend(10 * StageMeter::kLongest);
  meter.end_round(true);
  EXPECT_EQ(meter.cycles(Stage::kTls), 10 * StageMeter::kLongest);
  EXPECT_EQ(meter.cycles(Stage::kStolen), StageMeter::kLongest + 1);
}

// Its steps take 50 cycles; it has work in them as often as it is told, and sleep on the port takes 1,000.
struct Worker {
  unsigned owner_of(const Packet&) { return 0; }
  void ingest(std::span<Packet*>, Instant) {}
  bool step(Instant) {
    spend(50);
    return work > 0 && work-- > 0;
  }
  size_t build(std::span<Packet*>, Instant) { return 0; }
  std::span<Packet*> released() { return {}; }
  Instant deadline() const { return Instant::never(); }

  int work = 0;
};

struct DozingPort : test::FakePort {
  using FakePort::FakePort;
  void wait(Instant deadline) {
    spend(1'000);
    FakePort::wait(deadline);
  }
};

TEST(StageMeter, ALoopIsBusyWhereAStepHadWorkAndIdleWhereItSlept) {
  Instant time = Instant::from_ns(1'000'000);
  test::FakePool pool(128);
  DozingPort port(pool);
  Worker worker;
  HandOff hand_off(1, 16);
  Quiescence quiescence;
  StageMeter meter(&read_counter);
  WorkerLoop<DozingPort, Worker, test::FakeClock> loop(port, worker, hand_off, quiescence, {.meter = &meter},
                                                       test::FakeClock{&time});
  worker.work = 3;
  for (int i = 0; i < 3; ++i) loop.run_once();
  loop.run_once();
  EXPECT_EQ(meter.cycles(Stage::kApplication), 150u);
  EXPECT_EQ(meter.busy(), 150u);
  EXPECT_GE(meter.cycles(Stage::kIdle), 50u);
  EXPECT_EQ(loop.stats().busy_loops.value(), 3u);
  time = time + Duration::seconds(1);
  loop.run_once();
  const uint64_t idle = meter.cycles(Stage::kIdle);
  loop.run_once();
  EXPECT_EQ(meter.cycles(Stage::kIdle) - idle, 1'050u) << "the sleep before it, and a round without work";
  EXPECT_EQ(meter.busy(), 150u);
}

}  // namespace
}  // namespace viaduct
