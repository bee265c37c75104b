#include "base/snapshot.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace viaduct {
namespace {

// Counts those alive, and spoils its value when it dies.
struct Value {
  explicit Value(int n) : number(n) { ++alive; }
  ~Value() {
    number = -1;
    --alive;
  }
  int number;
  static inline std::atomic<int> alive = 0;
};

std::unique_ptr<const Value> value(int n) { return std::make_unique<const Value>(n); }

TEST(Snapshot, OldValueLivesUntilItsReadersAreQuiescent) {
  Quiescence quiescence;
  Snapshot<Value> snapshot(quiescence, value(1));
  quiescence.online(0);
  quiescence.online(1);
  const Value* held = snapshot.read();
  snapshot.publish(value(2));
  EXPECT_EQ(held->number, 1);
  EXPECT_EQ(snapshot.read()->number, 2);
  quiescence.quiescent(0);
  EXPECT_EQ(snapshot.reclaim(), 1u) << "worker 1 may still read it";
  quiescence.quiescent(1);
  EXPECT_EQ(snapshot.reclaim(), 0u);
  EXPECT_EQ(Value::alive, 1);
}

TEST(Snapshot, SleeperHoldsNothingUp) {
  Quiescence quiescence;
  Snapshot<Value> snapshot(quiescence, value(1));
  quiescence.online(0);
  quiescence.offline(0);
  snapshot.publish(value(2));
  EXPECT_EQ(Value::alive, 1);
  quiescence.online(0);
  EXPECT_EQ(snapshot.read()->number, 2);
}

TEST(Snapshot, IsEmptyBeforeTheFirstValue) {
  Quiescence quiescence;
  Snapshot<Value> snapshot(quiescence);
  EXPECT_EQ(snapshot.read(), nullptr);
  snapshot.publish(value(1));
  EXPECT_EQ(snapshot.read()->number, 1);
}

TEST(Snapshot, OneReportServesSeveralSnapshots) {
  Quiescence quiescence;
  Snapshot<Value> a(quiescence, value(1)), b(quiescence, value(2));
  quiescence.online(0);
  a.publish(value(3));
  b.publish(value(4));
  quiescence.quiescent(0);
  EXPECT_EQ(a.reclaim() + b.reclaim(), 0u);
}

// Each of three workers may hold a value; the held ones stay, and all others go once it is possible.
RC_GTEST_PROP(Snapshot, FreesExactlyWhatNobodyCanHold, ()) {
  constexpr unsigned kWorkers = 3;
  Quiescence quiescence;
  Snapshot<Value> snapshot(quiescence, value(0));
  int newest = 0;
  std::array<std::optional<int>, kWorkers> oldest;  // that the worker could hold; none while it is offline
  std::array<std::vector<const Value*>, kWorkers> held;
  for (const auto& [kind, pick] : *rc::gen::arbitrary<std::vector<std::pair<uint8_t, uint8_t>>>()) {
    const unsigned worker = pick % kWorkers;
    const bool online = oldest[worker].has_value();
    switch (kind % 4) {
      case 0:
        snapshot.publish(value(++newest));
        break;
      case 1:
        if (online) held[worker].push_back(snapshot.read());
        break;
      case 2:
        if (!online) break;
        held[worker].clear();
        quiescence.quiescent(worker);
        oldest[worker] = newest;
        break;
      case 3:
        held[worker].clear();
        if (online) {
          quiescence.offline(worker);
          oldest[worker].reset();
        } else {
          quiescence.online(worker);
          oldest[worker] = newest;
        }
        break;
    }
    for (const auto& values : held) {
      for (const Value* each : values) RC_ASSERT(each->number >= 0);
    }
    int first_needed = newest;
    for (const auto& each : oldest) first_needed = std::min(first_needed, each.value_or(newest));
    RC_ASSERT(snapshot.reclaim() == static_cast<size_t>(newest - first_needed));
    RC_ASSERT(Value::alive == newest - first_needed + 1);
  }
}

TEST(Snapshot, ReadersOnOtherThreadsNeverSeeADeadValue) {
  constexpr unsigned kWorkers = 3;
  Quiescence quiescence;
  Snapshot<Value> snapshot(quiescence, value(0));
  std::atomic<bool> stop = false;
  const auto work = [&](unsigned worker) {
    quiescence.online(worker);
    int last = 0;
    for (unsigned round = 0; !stop; ++round) {
      const Value* read = snapshot.read();
      EXPECT_GE(read->number, last) << "values come in order";
      last = read->number;
      if (round % 3 == 0) std::this_thread::yield();
      EXPECT_EQ(read->number, last) << "and stay while they are held";
      if (round % 7 == 0) {
        quiescence.offline(worker);
        quiescence.online(worker);
      } else {
        quiescence.quiescent(worker);
      }
    }
    quiescence.offline(worker);
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < kWorkers; ++i) workers.emplace_back(work, i);
  for (int i = 1; i <= 2'000; ++i) snapshot.publish(value(i));
  stop = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(snapshot.reclaim(), 0u);
  EXPECT_EQ(Value::alive, 1);
}

}  // namespace
}  // namespace viaduct
