#include "base/timing_wheel.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace viaduct {
namespace {

struct Timer : TimerNode {
  int id = 0;
};

constexpr Instant at(int64_t ns) { return Instant::from_ns(ns); }
constexpr auto kNothing = [](TimerNode&) {};

TEST(TimingWheel, FiresAtItsDeadlineAndNotBefore) {
  for (const int64_t deadline : {int64_t{0}, int64_t{1}, int64_t{65'535}, int64_t{65'536}, int64_t{1'000'000'000},
                                 int64_t{86'400'000'000'000}, int64_t{9'000'000'000'000'000'000}}) {
    TimingWheel wheel;
    TimerNode timer;
    wheel.schedule(timer, at(deadline));
    EXPECT_EQ(wheel.next_deadline(), at(deadline));
    EXPECT_EQ(wheel.expire(at(deadline - 1), kNothing), 0u);
    EXPECT_EQ(wheel.expire(at(deadline), kNothing), 1u);
    EXPECT_FALSE(timer.is_scheduled());
    EXPECT_TRUE(wheel.next_deadline().is_never());
  }
}

TEST(TimingWheel, NeverIsNotScheduled) {
  TimingWheel wheel;
  TimerNode timer;
  wheel.schedule(timer, at(5));
  wheel.schedule(timer, Instant::never());
  EXPECT_FALSE(timer.is_scheduled());
  EXPECT_EQ(wheel.expire(at(10), kNothing), 0u);
}

TEST(TimingWheel, PassedDeadlineIsDueAtOnce) {
  TimingWheel wheel;
  wheel.expire(at(1'000'000'000), kNothing);
  TimerNode timer;
  wheel.schedule(timer, at(5));
  EXPECT_LE(wheel.next_deadline(), at(1'000'000'000));
  EXPECT_EQ(wheel.expire(at(1'000'000'000), kNothing), 1u);
}

TEST(TimingWheel, DestroyedTimerIsCancelled) {
  TimingWheel wheel;
  std::optional<TimerNode> timer(std::in_place);
  wheel.schedule(*timer, at(5));
  timer.reset();
  EXPECT_EQ(wheel.expire(at(10), kNothing), 0u);
}

TEST(TimingWheel, CallbackMayRescheduleItsTimerWithoutMeetingItAgain) {
  TimingWheel wheel;
  TimerNode timer;
  wheel.schedule(timer, at(5));
  const auto again = [&wheel](TimerNode& node) { wheel.schedule(node, at(1)); };
  EXPECT_EQ(wheel.expire(at(10), again), 1u);
  EXPECT_EQ(wheel.expire(at(10), again), 1u);
}

TEST(TimingWheel, CallbackMayDestroyAnotherDueTimer) {
  TimingWheel wheel;
  std::array<std::unique_ptr<TimerNode>, 2> timers = {std::make_unique<TimerNode>(), std::make_unique<TimerNode>()};
  for (auto& timer : timers) wheel.schedule(*timer, at(5));
  const auto destroy_other = [&timers](TimerNode& node) { timers[timers[0].get() == &node ? 1 : 0].reset(); };
  EXPECT_EQ(wheel.expire(at(10), destroy_other), 1u);
}

TEST(TimingWheel, CrowdedSlotIsAnnouncedAtMostItsLengthEarly) {
  TimingWheel wheel;
  std::vector<TimerNode> timers(100);
  const Instant deadline = at(1'000'000'000);
  wheel.expire(deadline - TimingWheel::kTick, kNothing);
  for (TimerNode& timer : timers) wheel.schedule(timer, deadline);
  EXPECT_LE(wheel.next_deadline(), deadline);
  EXPECT_GT(wheel.next_deadline(), deadline - TimingWheel::kTick);
}

TEST(TimingWheel, SleeperReachesEveryTimerInFewWakeUps) {
  TimingWheel wheel;
  std::vector<TimerNode> timers(100);
  const Instant deadline = at(3'600'000'000'000);
  for (TimerNode& timer : timers) wheel.schedule(timer, deadline);
  size_t fired = 0;
  int wake_ups = 0;
  while (!wheel.next_deadline().is_never()) {
    fired += wheel.expire(wheel.next_deadline(), kNothing);
    ASSERT_LE(++wake_ups, 10);
  }
  EXPECT_EQ(fired, timers.size());
}

// Random deadlines at all scales, compared with a sorted map.
RC_GTEST_PROP(TimingWheel, BehavesLikeASortedMap, ()) {
  struct Operation {
    int kind;
    size_t timer;
    int64_t distance;
  };
  const auto distance = rc::gen::map(rc::gen::pair(rc::gen::arbitrary<uint64_t>(), rc::gen::inRange(16, 64)),
                                     [](const auto& p) { return static_cast<int64_t>(p.first >> p.second); });
  const auto operation =
      rc::gen::construct<Operation>(rc::gen::inRange(0, 10), rc::gen::inRange<size_t>(0, 40), distance);
  TimingWheel wheel;
  std::array<Timer, 40> timers;
  std::map<int, Instant> model;
  for (size_t i = 0; i < timers.size(); ++i) timers[i].id = static_cast<int>(i);
  Instant now = at(*distance);

  for (const Operation& next : *rc::gen::container<std::vector<Operation>>(operation)) {
    Timer& timer = timers[next.timer];
    if (next.kind < 5) {
      const Instant deadline = next.kind == 0 ? now - Duration::nanoseconds(next.distance % 100'000)
                                              : now + Duration::nanoseconds(next.distance);
      wheel.schedule(timer, deadline);
      model[timer.id] = deadline;
    } else if (next.kind < 6) {
      wheel.cancel(timer);
      model.erase(timer.id);
    } else {
      now = next.kind < 8 ? now + Duration::nanoseconds(next.distance) : std::max(now, wheel.next_deadline());
      if (now.is_never()) now = at(0);
      std::vector<int> fired;
      wheel.expire(now, [&fired](TimerNode& node) { fired.push_back(static_cast<Timer&>(node).id); });
      for (const int id : fired) RC_ASSERT(model.contains(id) && model[id] <= now), model.erase(id);
      for (const auto& [id, deadline] : model) RC_ASSERT(deadline > now);
    }
    Instant earliest = Instant::never();
    for (const auto& [id, deadline] : model) earliest = std::min(earliest, deadline);
    for (const Timer& each : timers) RC_ASSERT(each.is_scheduled() == model.contains(each.id));
    RC_ASSERT(wheel.next_deadline() <= std::max(earliest, now));
    if (model.size() <= 16) RC_ASSERT(wheel.next_deadline() == earliest);
  }
}

}  // namespace
}  // namespace viaduct
