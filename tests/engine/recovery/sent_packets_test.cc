#include "engine/recovery/sent_packets.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/support/instants.h"

namespace viaduct::quic {
namespace {

SentPacket data_packet(int64_t sent_ms, uint32_t size = 1200) {
  return {.sent_time = at_ms(sent_ms), .size = size, .ack_eliciting = true, .in_flight = true};
}
SentPacket ack_packet(int64_t sent_ms) { return {.sent_time = at_ms(sent_ms), .size = 40}; }

SentFrame stream_frame(uint64_t id, uint64_t offset, uint32_t length, bool fin = false) {
  return {.id = id, .offset = offset, .length = length, .type = SentFrameType::kStream, .fin = fin};
}

std::vector<uint64_t> acknowledged(SentPackets& sent, std::vector<PacketRange> ascending) {
  std::vector<uint64_t> numbers;
  SentPackets::Cursor cursor;
  for (const PacketRange& range : ascending) {
    sent.acknowledge(range, cursor, [&](uint64_t number, const SentPacket&, auto, bool) { numbers.push_back(number); });
  }
  return numbers;
}

// Declares everything up to the number lost.
std::vector<uint64_t> lose_up_to(SentPackets& sent, uint64_t largest) {
  std::vector<uint64_t> numbers;
  sent.detect_lost(
      largest, [](uint64_t, const SentPacket&) { return true; },
      [&](uint64_t number, const SentPacket&, auto) { numbers.push_back(number); });
  return numbers;
}

using Numbers = std::vector<uint64_t>;

TEST(SentPackets, GivesBackWhatWasRecorded) {
  BlockPool pool(2);
  SentPackets sent(pool);
  const SentPacket first{
      .sent_time = at_ms(7), .size = 1350, .ack_eliciting = true, .in_flight = true, .ecn = Ecn::kEct0};
  const SentPacket second{
      .sent_time = at_ms(8), .size = 65535, .ack_eliciting = false, .in_flight = true, .mtu_probe = true};
  const SentFrame frames[] = {stream_frame(4, 1000, 900, true), {.offset = 17, .type = SentFrameType::kAck}};
  ASSERT_TRUE(sent.add(first, frames));
  ASSERT_TRUE(sent.add(second, {}));
  SentPackets::Cursor cursor;
  size_t seen = 0;
  sent.acknowledge({0, 1}, cursor, [&](uint64_t number, const SentPacket& packet, auto recorded, bool was_lost) {
    EXPECT_EQ(number, seen++);
    const SentPacket& expected = number == 0 ? first : second;
    EXPECT_EQ(packet.sent_time, expected.sent_time);
    EXPECT_EQ(packet.size, expected.size);
    EXPECT_EQ(packet.ack_eliciting, expected.ack_eliciting);
    EXPECT_EQ(packet.mtu_probe, expected.mtu_probe);
    EXPECT_EQ(packet.ecn, expected.ecn);
    EXPECT_FALSE(was_lost);
    ASSERT_EQ(recorded.size(), number == 0 ? 2u : 0u);
    if (number == 0) {
      EXPECT_EQ(recorded[0], frames[0]);
      EXPECT_EQ(recorded[1], frames[1]);
    }
  });
  EXPECT_EQ(seen, 2u);
}

TEST(SentPackets, APacketIsAcknowledgedOnce) {
  BlockPool pool(2);
  SentPackets sent(pool);
  for (int i = 0; i < 5; ++i) sent.add(data_packet(i), {});
  EXPECT_EQ(acknowledged(sent, {{1, 2}}), (Numbers{1, 2}));
  EXPECT_EQ(acknowledged(sent, {{0, 3}}), (Numbers{0, 3}));
  EXPECT_EQ(sent.outstanding(), 1u);
  EXPECT_EQ(sent.lowest_outstanding(), 4u);
}

TEST(SentPackets, ALatePacketIsToldFromALostOne) {
  BlockPool pool(2);
  SentPackets sent(pool);
  for (int i = 0; i < 5; ++i) sent.add(data_packet(i), {});
  EXPECT_EQ(lose_up_to(sent, 1), (Numbers{0, 1}));
  EXPECT_EQ(lose_up_to(sent, 1), (Numbers{})) << "once only";
  EXPECT_EQ(sent.lost_remembered(), 2u);
  SentPackets::Cursor cursor;
  std::vector<bool> late;
  sent.acknowledge({1, 2}, cursor, [&](uint64_t, const SentPacket&, auto, bool was_lost) { late.push_back(was_lost); });
  EXPECT_EQ(late, (std::vector<bool>{true, false}));
  sent.forget_lost_before(at_ms(1));
  EXPECT_EQ(sent.lost_remembered(), 0u);
  EXPECT_EQ(acknowledged(sent, {{0, 0}}), (Numbers{}));
}

TEST(SentPackets, LossStopsAtTheFirstPacketThatIsNotLost) {
  BlockPool pool(2);
  SentPackets sent(pool);
  for (int i = 0; i < 9; ++i) sent.add(data_packet(i), {});
  Numbers lost;
  sent.detect_lost(
      8, [](uint64_t number, const SentPacket&) { return number != 3; },
      [&](uint64_t number, const SentPacket&, auto) { lost.push_back(number); });
  EXPECT_EQ(lost, (Numbers{0, 1, 2}));
}

TEST(SentPackets, HoldsNoMemoryWhenAllIsSettled) {
  BlockPool pool(100);
  SentPackets sent(pool);
  const SentFrame frame = stream_frame(0, 0, 1100);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(sent.add(data_packet(i), {&frame, 1}));
  EXPECT_LE(pool.used(), 21u) << "about 50 packets of one frame in a block";
  EXPECT_EQ(acknowledged(sent, {{0, 499}, {510, 999}}).size(), 990u);
  EXPECT_LE(pool.used(), 2u);
  EXPECT_EQ(acknowledged(sent, {{0, 999}}).size(), 10u);
  EXPECT_EQ(pool.used(), 0u);
}

// A receiver sends ACKs for hours; their numbers can be acknowledged, and cost nothing.
TEST(SentPackets, PacketsOfAcksTakeNoMemory) {
  BlockPool pool(2);
  SentPackets sent(pool);
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(sent.add(ack_packet(i), {}));
  EXPECT_EQ(pool.used(), 0u);
  EXPECT_TRUE(sent.may_acknowledge({0, 99'999}));
  sent.add(data_packet(0), {});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(sent.add(ack_packet(i), {}));
  ASSERT_TRUE(sent.add(data_packet(0), {}));
  EXPECT_EQ(acknowledged(sent, {{0, sent.next_number() - 1}}), (Numbers{100'000, 101'001}));
}

TEST(SentPackets, RefusesWhenThePoolIsEmpty) {
  BlockPool pool(1);
  SentPackets sent(pool);
  const std::vector<SentFrame> frames(SentPackets::kMaxFrames, stream_frame(0, 0, 1));
  size_t added = 0;
  while (sent.has_room()) {
    ASSERT_TRUE(sent.add(data_packet(0), frames)) << "has_room() is a promise";
    ++added;
  }
  EXPECT_EQ(added, 2u);
  EXPECT_FALSE(sent.add(data_packet(0), frames));
  EXPECT_EQ(sent.next_number(), 2u);
  EXPECT_TRUE(sent.add(ack_packet(0), {})) << "ACKs can always be sent";
}

TEST(SentPackets, RefusesAtItsOwnBound) {
  BlockPool pool(10);
  SentPackets sent(pool, 2);
  while (sent.has_room()) ASSERT_TRUE(sent.add(data_packet(0), {}));
  EXPECT_EQ(sent.blocks(), 2u);
  EXPECT_EQ(pool.used(), 2u);
}

TEST(SentPackets, RefusesMoreFramesThanAPacketMayHave) {
  BlockPool pool(1);
  SentPackets sent(pool);
  const std::vector<SentFrame> frames(SentPackets::kMaxFrames + 1);
  EXPECT_FALSE(sent.add(data_packet(0), frames));
  EXPECT_EQ(sent.next_number(), 0u);
}

TEST(SentPackets, ForgetsLostPacketsBeforeItRefuses) {
  BlockPool pool(1);
  SentPackets sent(pool);
  while (sent.has_room()) sent.add(data_packet(0), {});
  lose_up_to(sent, sent.next_number());
  EXPECT_TRUE(sent.has_room());
  EXPECT_TRUE(sent.add(data_packet(0), {}));
}

// RFC 9000 section 13.1.
TEST(SentPackets, KnowsWhatWasNeverSent) {
  BlockPool pool(1);
  SentPackets sent(pool);
  EXPECT_FALSE(sent.may_acknowledge({0, 0}));
  sent.add(data_packet(0), {});
  EXPECT_TRUE(sent.may_acknowledge({0, 0}));
  EXPECT_FALSE(sent.may_acknowledge({0, 1}));
}

// RFC 9000 section 21.4.
TEST(SentPackets, RemembersEverySkippedNumberThatMatters) {
  BlockPool pool(10);
  SentPackets sent(pool);
  sent.add(data_packet(0), {});
  std::vector<uint64_t> skipped;
  while (true) {
    const uint64_t number = sent.next_number();
    if (!sent.skip()) break;
    skipped.push_back(number);
    sent.add(data_packet(0), {});
  }
  EXPECT_EQ(skipped.size(), SentPackets::kMaxSkipped);
  for (const uint64_t number : skipped) {
    EXPECT_FALSE(sent.may_acknowledge({number, number}));
    EXPECT_FALSE(sent.may_acknowledge({number - 1, number + 1}));
    EXPECT_TRUE(sent.may_acknowledge({number + 1, number + 1}));
  }
  // With the packets around them settled, the oldest may be forgotten for a new one.
  for (const uint64_t number : skipped) acknowledged(sent, {{number - 1, number - 1}});
  EXPECT_TRUE(sent.skip());
}

TEST(SentPackets, ASkippedNumberIsNoPacket) {
  BlockPool pool(1);
  SentPackets sent(pool);
  sent.skip();
  sent.add(data_packet(0), {});
  sent.skip();
  sent.add(data_packet(0), {});
  EXPECT_EQ(acknowledged(sent, {{1, 1}, {3, 3}}), (Numbers{1, 3}));
}

// The naive twin: a map from number to what was sent.
struct Twin {
  struct Entry {
    std::vector<SentFrame> frames;
    int64_t sent_ms;
    bool lost;
  };
  std::map<uint64_t, Entry> packets;
  std::set<uint64_t> skipped;
  uint64_t next = 0;
};

// proves RFC 9000 12.3-1 12.3-2
RC_GTEST_PROP(SentPackets, AgreesWithAMap, ()) {
  BlockPool pool(2000);
  {
    SentPackets sent(pool);
    Twin twin;
    int64_t now = 0;
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    for (int step = 0; step < 200; ++step) {
      const unsigned what = random() % 100, a = random() % 65536, b = random() % 65536;
      ++now;
      if (what < 60) {
        for (unsigned i = 0; i < a % 20; ++i) {
          std::vector<SentFrame> frames;
          const size_t count = b % 10 == 0 ? (a + i) % (SentPackets::kMaxFrames + 1) : 1;
          for (size_t f = 0; f < count; ++f) frames.push_back(stream_frame(twin.next, f, a));
          RC_ASSERT(sent.add(data_packet(now), frames));
          twin.packets[twin.next++] = {frames, now, false};
        }
      } else if (what < 65) {
        RC_ASSERT(sent.add(ack_packet(now), {}));
        ++twin.next;
      } else if (what < 68) {
        if (sent.skip()) twin.skipped.insert(twin.next++);
      } else if (what < 85 && twin.next > 0) {
        // Two ascending ranges near the newest.
        const uint64_t lowest = twin.next > 300 ? twin.next - 300 : 0;
        const uint64_t from = lowest + a % (twin.next - lowest);
        const uint64_t to = from + b % (twin.next - from);
        std::vector<PacketRange> ranges = {{from, from + (to - from) / 2}};
        if (ranges[0].largest + 2 <= to) ranges.push_back({ranges[0].largest + 2, to});
        std::vector<std::pair<uint64_t, bool>> expected;
        for (const auto& range : ranges) {
          for (uint64_t n = range.smallest; n <= range.largest; ++n) {
            if (const auto it = twin.packets.find(n); it != twin.packets.end())
              expected.emplace_back(n, it->second.lost);
          }
        }
        std::vector<std::pair<uint64_t, bool>> acked;
        SentPackets::Cursor cursor;
        for (const auto& range : ranges) {
          sent.acknowledge(range, cursor, [&](uint64_t number, const SentPacket& packet, auto frames, bool was_lost) {
            acked.emplace_back(number, was_lost);
            const Twin::Entry& entry = twin.packets.at(number);
            RC_ASSERT(packet.sent_time == at_ms(entry.sent_ms));
            RC_ASSERT(std::equal(frames.begin(), frames.end(), entry.frames.begin(), entry.frames.end()));
          });
        }
        RC_ASSERT(acked == expected);
        for (const auto& [number, was_lost] : acked) twin.packets.erase(number);
      } else if (what < 95 && twin.next > 0) {
        const uint64_t limit = twin.next - 1 - a % twin.next;
        std::vector<uint64_t> expected;
        for (auto& [number, entry] : twin.packets) {
          if (number > limit || entry.lost) continue;
          entry.lost = true;
          expected.push_back(number);
        }
        RC_ASSERT(lose_up_to(sent, limit) == expected);
      } else {
        const int64_t before = now - b % 50;
        sent.forget_lost_before(at_ms(before));
        bool young = false;  // send times ascend, so do lost packets: the first young one ends the forgetting
        std::erase_if(twin.packets, [&](const auto& item) {
          if (!item.second.lost || young) return false;
          young = item.second.sent_ms >= before;
          return !young;
        });
      }
      const auto lost =
          static_cast<size_t>(std::ranges::count_if(twin.packets, [](const auto& item) { return item.second.lost; }));
      RC_ASSERT(sent.next_number() == twin.next);
      RC_ASSERT(sent.lost_remembered() == lost);
      RC_ASSERT(sent.outstanding() == twin.packets.size() - lost);
      RC_ASSERT(sent.blocks() == pool.used());
      if (twin.packets.empty()) RC_ASSERT(pool.used() == 0u);
    }
  }
  RC_ASSERT(pool.used() == 0u);
}

}  // namespace
}  // namespace viaduct::quic
