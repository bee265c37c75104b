#include "base/hand_off.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "base/random.h"
#include "tests/support/fake_port.h"

namespace viaduct {
namespace {

using test::FakePool;
using test::FakePort;
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

// Made to lose a wake-up: before each packet the consumer has taken the one before and is somewhere on its way to
// sleep; with no deadline, nothing but the wake-up gets it out. Two producers, so that they race for it as well.
TEST(HandOff, LosesNoWakeUp) {
  constexpr int kRounds = 20'000;
  HandOff hand_off(3, 4);
  FakePool pool(2);
  SleepingPort port(pool);
  hand_off.set_port(2, port);
  std::atomic<int> taken[2] = {0, 0};
  std::thread consumer([&] {
    std::array<Packet*, 4> burst;
    while (taken[0] + taken[1] < 2 * kRounds && !port.overslept) {
      const size_t count = hand_off.take(2, burst);
      for (Packet* packet : std::span(burst).first(count)) ++taken[packet->flags];
      if (count > 0 || !hand_off.announce_sleep(2)) continue;
      port.wait(Instant::never());
      hand_off.end_sleep(2);
    }
  });
  std::atomic<bool> gave_up = false;
  const auto produce = [&](unsigned from) {
    Random random = Random::from_seed(from);
    Packet packet;
    packet.flags = static_cast<uint8_t>(from);
    Packet* pointer = &packet;
    for (int round = 0; round < kRounds; ++round) {
      for (uint64_t pause = random.below(300); pause > 0; --pause) std::atomic_signal_fence(std::memory_order_seq_cst);
      EXPECT_EQ(hand_off.put(from, 2, std::span(&pointer, 1)), 1u);
      while (taken[from] <= round && !gave_up) std::this_thread::yield();
    }
  };
  std::thread producers[2] = {std::thread(produce, 0), std::thread(produce, 1)};
  consumer.join();
  gave_up = true;
  for (std::thread& producer : producers) producer.join();
  EXPECT_FALSE(port.overslept);
  EXPECT_EQ(taken[0] + taken[1], 2 * kRounds);
}

}  // namespace
}  // namespace viaduct
