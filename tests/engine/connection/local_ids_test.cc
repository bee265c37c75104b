#include "engine/connection/local_ids.h"

#include <gtest/gtest.h>

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
