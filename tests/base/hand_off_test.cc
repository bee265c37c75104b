#include "base/hand_off.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/fake_port.h"
#include "tests/support/interleaving.h"

namespace viaduct {
namespace {

using test::FakePool;
using test::FakePort;
using test::Interleaving;
using test::SleepingPort;

TEST(HandOff, GivesBackWhatDoesNotFit) {
  HandOff hand_off(2, 4);
  std::array<Packet, 6> packets;
  std::array<Packet*, 6> burst;
  for (size_t i = 0; i < 6; ++i) burst[i] = &packets[i];
  EXPECT_EQ(hand_off.put(0, 1, burst), 4u);
  EXPECT_EQ(hand_off.put(0, 1, burst), 0u);
  std::array<Packet*, 6> taken;
  EXPECT_EQ(hand_off.take(0, taken), 0u);
  EXPECT_EQ(hand_off.take(1, taken), 4u);
  EXPECT_TRUE(std::equal(taken.begin(), taken.begin() + 4, burst.begin()));
}

TEST(HandOff, EverySenderGetsItsTurn) {
  constexpr unsigned kSenders = 3;
  HandOff hand_off(kSenders + 1, 64);
  std::array<std::array<Packet, 64>, kSenders> packets;
  for (unsigned from = 0; from < kSenders; ++from) {
    for (Packet& packet : packets[from]) {
      packet.flags = static_cast<uint8_t>(from);
      Packet* pointer = &packet;
      ASSERT_EQ(hand_off.put(from, kSenders, std::span(&pointer, 1)), 1u);
    }
  }
  std::array<int, kSenders> seen{};
  Packet* one = nullptr;
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(hand_off.take(kSenders, std::span(&one, 1)), 1u);
    ++seen[one->flags];
  }
  for (const int count : seen) EXPECT_GT(count, 0);
}

// The three moments at which a packet can meet a worker that goes to sleep.
TEST(HandOff, WakesWhoSleepsAndNobodyElse) {
  HandOff hand_off(2, 4);
  FakePool pool(1);
  FakePort port(pool);
  hand_off.set_port(1, port);
  Packet packet;
  Packet* pointer = &packet;
  const std::span<Packet*> burst(&pointer, 1);

  hand_off.put(0, 1, burst);
  EXPECT_FALSE(hand_off.announce_sleep(1)) << "came before: it must not sleep";
  EXPECT_EQ(port.wakes, 0u);
  EXPECT_EQ(hand_off.take(1, burst), 1u);

  EXPECT_TRUE(hand_off.announce_sleep(1));
  hand_off.put(0, 1, burst);
  EXPECT_EQ(port.wakes, 1u) << "comes between the announcement and the wait: the wake-up stays pending";
  hand_off.put(0, 1, burst);
  EXPECT_EQ(port.wakes, 1u) << "one is enough";
  hand_off.end_sleep(1);

  EXPECT_FALSE(hand_off.announce_sleep(1));
  hand_off.put(0, 1, burst);
  EXPECT_EQ(port.wakes, 1u) << "awake: not worth a system call";
}

TEST(HandOff, NudgeWakesASleeperOnce) {
  HandOff hand_off(1, 4);
  FakePool pool(1);
  FakePort port(pool);
  hand_off.set_port(0, port);
  hand_off.nudge(0);
  EXPECT_EQ(port.wakes, 0u);
  EXPECT_TRUE(hand_off.announce_sleep(0));
  hand_off.nudge(0);
  hand_off.nudge(0);
  EXPECT_EQ(port.wakes, 1u);
}

RC_GTEST_PROP(HandOff, KeepsEachSendersOrderAndLosesNothing, ()) {
  const auto workers = *rc::gen::element(1u, 2u, 3u, 64u);
  HandOff hand_off(workers, 8);
  std::deque<Packet> packets;
  std::vector<std::vector<std::deque<Packet*>>> model(workers, std::vector<std::deque<Packet*>>(workers));
  for (const auto& [kind, a, b] : *rc::gen::arbitrary<std::vector<std::array<uint8_t, 3>>>()) {
    const unsigned from = a % workers, to = b % workers;
    std::vector<Packet*> burst(kind % 13);
    if (kind % 2 == 0 && from != to) {
      for (Packet*& packet : burst) {
        packet = &packets.emplace_back();
        packet->references = from;
      }
      const size_t count = hand_off.put(from, to, burst);
      RC_ASSERT(count == std::min<size_t>(burst.size(), 8 - model[from][to].size()));
      model[from][to].insert(model[from][to].end(), burst.begin(), burst.begin() + static_cast<long>(count));
    } else if (kind % 2 == 1) {
      const size_t count = hand_off.take(to, burst);
      for (Packet* packet : std::span(burst).first(count)) {
        auto& queue = model[packet->references][to];
        RC_ASSERT(!queue.empty() && queue.front() == packet);
        queue.pop_front();
      }
      size_t left = 0;
      for (unsigned i = 0; i < workers; ++i) left += model[i][to].size();
      RC_ASSERT(count == burst.size() || left == 0);
    }
  }
}

// A word whose every use is a step of the run that explores it.
class StepWord {
 public:
  explicit StepWord(uint64_t value) : value_(value) {}

  uint64_t load(std::memory_order) { return step(), value_; }
  uint64_t exchange(uint64_t value, std::memory_order) { return step(), std::exchange(value_, value); }
  uint64_t fetch_or(uint64_t bits, std::memory_order) { return step(), std::exchange(value_, value_ | bits); }
  uint64_t fetch_and(uint64_t bits, std::memory_order) { return step(), std::exchange(value_, value_ & bits); }

 private:
  static void step() {
    if (Interleaving* run = Interleaving::current()) run->step();
  }
  uint64_t value_;
};

// A port that does nothing but sleep and be woken, in the steps of a run.
struct StepPort {
  void wait(Instant) {
    Interleaving::current()->step_when([this] { return wake_pending; });
    wake_pending = false;
  }
  void wake() {
    Interleaving::current()->step();
    wake_pending = true;
  }
  bool wake_pending = false;
};

// Made to lose a wake-up: with no deadline, in every order of what sender and sleeper do to the word and the port.
// A sleeper that looks at its rings first and announces its sleep then, or a sender that looks who sleeps before it
// sets its bit, stays asleep in some of these.
TEST(HandOff, LosesNoWakeUpInAnyOrder) {
  const size_t runs = test::explore([] {
    struct State {
      BasicHandOff<StepWord> hand_off{2, 4};
      StepPort port;
      Packet packet;
      size_t taken = 0;
    };
    auto state = std::make_shared<State>();
    state->hand_off.set_port(1, state->port);
    const auto send = [state] {
      Packet* pointer = &state->packet;
      state->hand_off.put(0, 1, std::span(&pointer, 1));
    };
    const auto receive = [state] {
      std::array<Packet*, 4> burst;
      while (state->taken == 0 && !Interleaving::current()->is_stuck()) {
        const size_t count = state->hand_off.take(1, burst);
        state->taken += count;
        if (count > 0 || !state->hand_off.announce_sleep(1)) continue;
        state->port.wait(Instant::never());
        state->hand_off.end_sleep(1);
      }
    };
    return std::array<std::function<void()>, 2>{send, receive};
  });
  EXPECT_GE(runs, 10u);
}

// The same with real threads and the processor's own order: the next packet comes when the one before was just
// taken, a little later each time.
TEST(HandOff, LosesNoWakeUpBetweenThreads) {
  constexpr uint64_t kRounds = 1'000;
  HandOff hand_off(2, 4);
  FakePool pool(1);
  SleepingPort port(pool);
  hand_off.set_port(1, port);
  std::atomic<uint64_t> taken = 0;
  std::atomic<bool> gave_up = false;
  std::thread consumer([&] {
    Packet* packet = nullptr;
    while (taken < kRounds && !port.overslept) {
      if (hand_off.take(1, std::span(&packet, 1)) == 1) {
        ++taken;
      } else if (hand_off.announce_sleep(1)) {
        port.wait(Instant::never());
        hand_off.end_sleep(1);
      }
    }
    gave_up = true;
  });
  Packet packet;
  Packet* pointer = &packet;
  for (uint64_t round = 0; round < kRounds && !gave_up; ++round) {
    for (uint64_t pause = round % 256; pause > 0; --pause) std::atomic_signal_fence(std::memory_order_seq_cst);
    EXPECT_EQ(hand_off.put(0, 1, std::span(&pointer, 1)), 1u);
    for (int spins = 0; taken <= round && !gave_up; ++spins) {
      if (spins > 1'000) std::this_thread::yield();
    }
  }
  consumer.join();
  EXPECT_FALSE(port.overslept);
  EXPECT_EQ(taken, kRounds);
}

}  // namespace
}  // namespace viaduct
