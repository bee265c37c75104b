// Waiting and waking.
#include "pmd-glue/sleeper.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/clock.h"

namespace viaduct::net {
namespace {

// One end of a pair of sockets to wait on, the other to make it readable.
class Sockets {
 public:
  Sockets() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends_), 0); }
  ~Sockets() {
    close(ends_[0]);
    close(ends_[1]);
  }
  int waiting() const { return ends_[0]; }
  void arrive() const { EXPECT_EQ(write(ends_[1], "x", 1), 1); }

 private:
  int ends_[2];
};

TEST(Sleeper, ReturnsAtOnceWhereItIsToPoll) {
  Sleeper sleeper(-1, true);
  sleeper.wait(Instant::never());
}

TEST(Sleeper, SleepsNoLongerThanTheDeadline) {
  const Sockets sockets;
  Sleeper sleeper(sockets.waiting(), false);
  const Instant deadline = MonotonicClock::now() + Duration::milliseconds(20);
  while (MonotonicClock::now() < deadline) sleeper.wait(deadline);
  sleeper.wait(deadline);  // in the past: returns
}

TEST(Sleeper, IsEndedByAFrame) {
  const Sockets sockets;
  Sleeper sleeper(sockets.waiting(), false);
  std::thread cable([&] {
    usleep(5000);
    sockets.arrive();
  });
  for (int i = 0; i < 2; ++i) {  // the first calls may spin
    const Instant start = MonotonicClock::now();
    while (MonotonicClock::now() - start < Duration::microseconds(10)) sleeper.wait(Instant::never());
  }
  sleeper.wait(Instant::never());
  cable.join();
}

TEST(Sleeper, AWakeBeforeTheWaitEndsIt) {
  const Sockets sockets;
  Sleeper sleeper(sockets.waiting(), false);
  for (int i = 0; i < 1000; ++i) {
    sleeper.wake();
    sleeper.wait(Instant::never());
  }
}

// Two workers hand a token to and fro and sleep for ever in between: one lost wake-up and the test never ends.
void hand_a_token_to_and_fro(int socket, int rounds) {
  Sleeper sleepers[2] = {{socket, false}, {socket, false}};
  std::atomic<int> turn{0};
  const auto worker = [&](int me) {
    for (int round = 0; round < rounds; ++round) {
      while (turn.load(std::memory_order_acquire) != 2 * round + me) sleepers[me].wait(Instant::never());
      sleepers[me].note_work();
      turn.store(2 * round + me + 1, std::memory_order_release);
      sleepers[1 - me].wake();
    }
  };
  std::thread other(worker, 1);
  worker(0);
  other.join();
  EXPECT_EQ(turn, 2 * rounds);
}

TEST(Sleeper, LosesNoWakeUpBetweenTwoWorkers) {
  const Sockets sockets;
  hand_a_token_to_and_fro(sockets.waiting(), 20000);
}

TEST(Sleeper, LosesNoWakeUpWithoutASocket) { hand_a_token_to_and_fro(-1, 20000); }

// Many wakers at random moments; the sleeper must have seen every item when it has been woken for the last time.
TEST(Sleeper, LosesNoWakeUpAmongMany) {
  const Sockets sockets;
  Sleeper sleeper(sockets.waiting(), false);
  constexpr int kWakers = 4, kItems = 5000;
  std::atomic<int> items{0};
  std::vector<std::thread> wakers;
  for (int waker = 0; waker < kWakers; ++waker) {
    wakers.emplace_back([&, waker] {
      for (int i = 0; i < kItems; ++i) {
        items.fetch_add(1, std::memory_order_release);
        sleeper.wake();
        if ((i * 7 + waker) % 64 == 0) usleep(50);
      }
    });
  }
  while (items.load(std::memory_order_acquire) < kWakers * kItems) sleeper.wait(Instant::never());
  for (std::thread& waker : wakers) waker.join();
}

}  // namespace
}  // namespace viaduct::net
