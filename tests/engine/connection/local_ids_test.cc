#include "engine/connection/local_ids.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <optional>

namespace viaduct::quic {
namespace {

flowsteer::ConnectionId id_of(uint8_t number) { return flowsteer::ConnectionId(std::vector<uint8_t>(8, number)); }

LocalIds four_ids() {
  LocalIds ids;
  ids.start(id_of(0));
  ids.set_target(9, 4);
  for (uint8_t i = 1; ids.wants_more(); ++i) ids.add(id_of(i));
  return ids;
}

// proves RFC 9000 5.1.1-1 5.1.1-4
TEST(LocalIds, AsManyAsBothSidesWant) {
  LocalIds ids;
  ids.start(id_of(0));
  EXPECT_FALSE(ids.wants_more());
  ids.set_target(2, 4);
  EXPECT_TRUE(ids.wants_more());
  ids.add(id_of(1));
  EXPECT_FALSE(ids.wants_more());
  ids.set_target(100, 100);
  for (uint8_t i = 2; ids.wants_more(); ++i) ids.add(id_of(i));
  EXPECT_EQ(ids.size(), LocalIds::kMax);
}

// Random announcements, losses and retirements against a set of sequence numbers.
TEST(LocalIds, AgreeWithANaiveModel) {
  EXPECT_TRUE(rc::check([] {
    LocalIds ids;
    ids.start(id_of(0));
    std::map<uint64_t, bool> active = {{0, false}};  // to be announced?
    uint64_t made = 1;
    uint64_t target = 1;
    const int operations = *rc::gen::inRange(1, 60);
    for (int i = 0; i < operations; ++i) {
      const uint64_t sequence = *rc::gen::inRange<uint64_t>(0, made + 2);
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
          target = *rc::gen::inRange<uint64_t>(2, 12);
          ids.set_target(target, 100);
          target = std::min<uint64_t>(target, LocalIds::kMax);
          break;
        case 1:
          RC_ASSERT(ids.wants_more() == (active.size() < target));
          if (!ids.wants_more()) break;
          ids.add(id_of(static_cast<uint8_t>(made)));
          active[made++] = true;
          break;
        case 2: {
          const auto due = std::ranges::find_if(active, [](const auto& entry) { return entry.second; });
          LocalIds::Id* next = ids.next_to_announce();
          RC_ASSERT((next != nullptr) == (due != active.end()));
          if (!next) break;
          RC_ASSERT(next->sequence == due->first);
          next->announce = due->second = false;
          break;
        }
        case 3:
          ids.on_announcement_lost(sequence);
          if (const auto found = active.find(sequence); found != active.end()) found->second = true;
          break;
        default: {
          const uint64_t used = *rc::gen::inRange<uint64_t>(0, made);
          std::optional<flowsteer::ConnectionId> retired;
          const TransportError error = ids.on_retire(sequence, id_of(static_cast<uint8_t>(used)).bytes(), retired);
          const bool is_active = active.contains(sequence);
          RC_ASSERT(static_cast<bool>(error) == (sequence >= made || (is_active && sequence == used)));
          RC_ASSERT(retired.has_value() == (!error && is_active));
          if (retired) {
            RC_ASSERT(*retired == id_of(static_cast<uint8_t>(sequence)));
            active.erase(sequence);
          }
        }
      }
      RC_ASSERT(ids.size() == active.size());
    }
  }));
}

TEST(LocalIds, EachIsAnnouncedOnceAndAgainWhenLost) {
  LocalIds ids = four_ids();
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    LocalIds::Id* next = ids.next_to_announce();
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->sequence, sequence);
    next->announce = false;
  }
  EXPECT_FALSE(ids.has_announcement());
  ids.on_announcement_lost(2);
  ASSERT_TRUE(ids.has_announcement());
  EXPECT_EQ(ids.next_to_announce()->sequence, 2u);
  // One that was retired meanwhile is not announced again.
  std::optional<flowsteer::ConnectionId> retired;
  EXPECT_FALSE(ids.on_retire(2, id_of(0).bytes(), retired));
  EXPECT_FALSE(ids.has_announcement());
  ids.on_announcement_lost(2);
  EXPECT_FALSE(ids.has_announcement());
}

// RFC 9000 section 19.16.
// proves RFC 9000 5.1.1-2 5.1.2-2 19.16-1 19.16-2
TEST(LocalIds, WhatMayBeRetired) {
  LocalIds ids = four_ids();
  std::optional<flowsteer::ConnectionId> retired;
  EXPECT_EQ(ids.on_retire(4, id_of(0).bytes(), retired).code, ErrorCode::kProtocolViolation);
  EXPECT_EQ(ids.on_retire(0, id_of(0).bytes(), retired).code, ErrorCode::kProtocolViolation);
  EXPECT_FALSE(retired);
  EXPECT_FALSE(ids.on_retire(0, id_of(1).bytes(), retired));
  EXPECT_EQ(retired, id_of(0));
  EXPECT_TRUE(ids.wants_more());
  retired.reset();
  EXPECT_FALSE(ids.on_retire(0, id_of(1).bytes(), retired));
  EXPECT_FALSE(retired);
}

}  // namespace
}  // namespace viaduct::quic
