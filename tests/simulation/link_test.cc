#include "tests/simulation/link.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace viaduct::sim {
namespace {

Instant at_ms(int64_t ms) { return Instant() + Duration::milliseconds(ms); }

// A datagram that is `size` bytes on the cable and says its number.
Datagram numbered(uint32_t number, size_t size = 1250, Ecn ecn = Ecn::kNotEct) {
  Datagram datagram;
  datagram.to.ip = IpAddress::v4(198, 18, 0, 1);
  datagram.ecn = ecn;
  datagram.payload.resize(size - 28);
  for (size_t i = 0; i < 4; ++i) datagram.payload[i] = static_cast<uint8_t>(number >> 8 * i);
  return datagram;
}

uint32_t number_of(const Datagram& datagram) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number |= uint32_t{datagram.payload[i]} << 8 * i;
  return number;
}

// Sends `count` datagrams, one every `gap`.
std::vector<Arrival> send(Link& link, uint32_t count, Duration gap) {
  std::vector<Arrival> arrivals;
  Instant now;
  for (uint32_t i = 0; i < count; ++i, now = now + gap) link.send(numbered(i), now, arrivals);
  return arrivals;
}

TEST(Link, HasARateAndADelay) {
  Link link({.bits_per_second = 10'000'000, .delay = Duration::milliseconds(15)}, 1);
  const auto arrivals = send(link, 100, Duration());
  ASSERT_EQ(arrivals.size(), 100u);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(arrivals[static_cast<size_t>(i)].at, at_ms(15 + i + 1));
}

TEST(Link, DropsWhatTheQueueCannotHold) {
  Link link({.bits_per_second = 10'000'000, .queue_packets = 25}, 1);
  std::vector<Arrival> arrivals = send(link, 100, Duration());
  EXPECT_EQ(arrivals.size(), 26u);  // one is being sent
  EXPECT_EQ(link.stats().dropped_by_queue, 74u);
  link.send(numbered(100), at_ms(2), arrivals);
  EXPECT_EQ(arrivals.size(), 27u);
  EXPECT_EQ(arrivals.back().at, at_ms(27));

  Link by_bytes({.bits_per_second = 10'000'000, .queue_bytes = 5'000}, 1);
  EXPECT_EQ(send(by_bytes, 100, Duration()).size(), 4u);
}

TEST(Link, LosesWithItsProbability) {
  Link link({.loss = 0.03}, 7);
  EXPECT_NEAR(static_cast<double>(send(link, 100'000, Duration()).size()), 97'000, 300);
}

TEST(Link, LosesTheDatagramsOfItsMask) {
  Link link({.loss_mask = 0b1011}, 1);
  const auto arrivals = send(link, 6, Duration());
  ASSERT_EQ(arrivals.size(), 3u);
  EXPECT_EQ(number_of(arrivals[0].datagram), 2u);
  EXPECT_EQ(number_of(arrivals[1].datagram), 4u);
}

// Mean length of a burst is 1 / leave_bad; share of the bad state is enter / (enter + leave).
TEST(Link, LosesInBursts) {
  Link link({.bursts = {.enter_bad = 0.01, .leave_bad = 0.25}}, 3);
  const auto arrivals = send(link, 200'000, Duration());
  EXPECT_NEAR(static_cast<double>(link.stats().lost), 200'000 * 0.01 / 0.26, 500);
  size_t bursts = 0;
  for (size_t i = 1; i < arrivals.size(); ++i)
    bursts += number_of(arrivals[i].datagram) != number_of(arrivals[i - 1].datagram) + 1;
  EXPECT_NEAR(static_cast<double>(link.stats().lost) / static_cast<double>(bursts), 4.0, 0.3);
}

TEST(Link, LosesNoMoreInARowThanAllowed) {
  Link link({.loss = 0.5, .longest_loss = 3}, 5);
  const auto arrivals = send(link, 20'000, Duration());
  uint32_t longest = 0;
  for (size_t i = 1; i < arrivals.size(); ++i)
    longest = std::max(longest, number_of(arrivals[i].datagram) - number_of(arrivals[i - 1].datagram) - 1);
  EXPECT_EQ(longest, 3u);
}

TEST(Link, JitterKeepsTheOrder) {
  Link link({.delay = Duration::milliseconds(10), .jitter = Duration::milliseconds(5)}, 11);
  const auto arrivals = send(link, 1'000, Duration::milliseconds(1));
  Duration least = Duration::infinite(), most;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    if (i > 0) {
      EXPECT_GE(arrivals[i].at, arrivals[i - 1].at);
    }
    const Duration took = arrivals[i].at - at_ms(static_cast<int64_t>(i));
    least = std::min(least, took);
    most = std::max(most, took);
  }
  EXPECT_GE(least, Duration::milliseconds(10));
  EXPECT_LE(most, Duration::milliseconds(15));
  EXPECT_GT(most - least, Duration::milliseconds(4));
}

TEST(Link, ReordersDuplicatesAndCorrupts) {
  Link link({.corruption = 0.1, .duplication = 0.05, .reordering = 0.02}, 13);
  const auto arrivals = send(link, 50'000, Duration::milliseconds(1));
  const LinkStats& stats = link.stats();
  EXPECT_NEAR(static_cast<double>(stats.reordered), 1'000, 150);
  EXPECT_NEAR(static_cast<double>(stats.duplicated), 2'500, 250);
  EXPECT_NEAR(static_cast<double>(stats.corrupted), 5'000, 350);
  EXPECT_EQ(arrivals.size(), 50'000 + stats.duplicated);
  EXPECT_EQ(stats.delivered, arrivals.size());
}

TEST(Link, DropsWhatIsLargerThanItsMtu) {
  Link link({.mtu = 1280}, 1);
  std::vector<Arrival> arrivals;
  link.send(numbered(0, 1280), Instant(), arrivals);
  link.send(numbered(1, 1281), Instant(), arrivals);
  EXPECT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(link.stats().dropped_by_mtu, 1u);
}

TEST(Link, SwallowsEverythingInABlackhole) {
  Link link({.delay = Duration::milliseconds(5), .blackholes = {{at_ms(10), at_ms(20)}}}, 1);
  const auto arrivals = send(link, 30, Duration::milliseconds(1));
  EXPECT_EQ(arrivals.size(), 20u);
  EXPECT_TRUE(std::ranges::none_of(arrivals, [](const Arrival& a) { return a.at >= at_ms(10) && a.at < at_ms(20); }));
}

TEST(Link, MarksWhatIsEctWhileTheQueueIsLong) {
  Link link({.bits_per_second = 10'000'000, .mark_above = 5}, 1);
  std::vector<Arrival> arrivals;
  for (uint32_t i = 0; i < 10; ++i)
    link.send(numbered(i, 1250, i == 9 ? Ecn::kNotEct : Ecn::kEct0), Instant(), arrivals);
  ASSERT_EQ(arrivals.size(), 10u);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(arrivals[i].datagram.ecn, i < 6 ? Ecn::kEct0 : Ecn::kCe);
  EXPECT_EQ(arrivals[9].datagram.ecn, Ecn::kNotEct);

  Link bleaching({.bleach_ecn = true}, 1);
  arrivals.clear();
  bleaching.send(numbered(0, 1250, Ecn::kCe), Instant(), arrivals);
  EXPECT_EQ(arrivals[0].datagram.ecn, Ecn::kNotEct);
}

TEST(Link, RepeatsForTheSameSeed) {
  const LinkConfig config{
      .jitter = Duration::milliseconds(3), .loss = 0.1, .corruption = 0.1, .duplication = 0.1, .reordering = 0.1};
  const auto run = [&](uint64_t seed) {
    Link link(config, seed);
    return send(link, 1'000, Duration::milliseconds(1));
  };
  const auto first = run(1), again = run(1), other = run(2);
  ASSERT_EQ(first.size(), again.size());
  bool differs = first.size() != other.size();
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].at, again[i].at);
    EXPECT_EQ(first[i].datagram.payload, again[i].datagram.payload);
    differs = differs || first[i].at != other[i].at;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace viaduct::sim
