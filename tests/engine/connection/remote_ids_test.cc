#include "engine/connection/remote_ids.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

namespace viaduct::quic {
namespace {

using flowsteer::ConnectionId;

std::vector<uint8_t> bytes_of(uint64_t number) { return std::vector<uint8_t>(8, static_cast<uint8_t>(number)); }
StatelessResetToken token_of(uint64_t number) {
  StatelessResetToken token;
  token.fill(static_cast<uint8_t>(number));
  return token;
}
ErrorCode add(RemoteIds& ids, uint64_t sequence, uint64_t retire_prior_to = 0) {
  return ids.on_new_id(sequence, retire_prior_to, bytes_of(sequence), token_of(sequence)).code;
}
// As a connection does that goes over to another path.
bool use_fresh(RemoteIds& ids) {
  const uint64_t before = ids.current_sequence();
  const auto fresh = ids.reserve();
  if (!fresh) return false;
  EXPECT_TRUE(ids.use(*fresh));
  ids.release(before);
  return true;
}
RemoteIds started(uint64_t limit = 4) {
  RemoteIds ids(limit);
  ids.start(ConnectionId(bytes_of(0)));
  return ids;
}

// proves RFC 9000 5.1.1-5
TEST(RemoteIds, AsManyAsTheLimit) {
  RemoteIds ids = started();
  for (uint64_t sequence : {1u, 3u, 2u}) EXPECT_EQ(add(ids, sequence), ErrorCode::kNoError);
  EXPECT_EQ(add(ids, 2), ErrorCode::kNoError);  // again, as a retransmission
  EXPECT_EQ(add(ids, 4), ErrorCode::kConnectionIdLimitError);
}

// RFC 9000 section 5.1.1: retire first, then count.
// proves RFC 9000 5.1.2-3
TEST(RemoteIds, RetiringMakesRoom) {
  RemoteIds ids = started();
  for (uint64_t sequence : {1u, 2u, 3u}) EXPECT_EQ(add(ids, sequence), ErrorCode::kNoError);
  EXPECT_EQ(add(ids, 4, 2), ErrorCode::kNoError);
  EXPECT_NE(ids.current(), ConnectionId(bytes_of(0)));
  uint64_t sequence = 9;
  ASSERT_TRUE(ids.next_to_retire(sequence));
  EXPECT_LT(sequence, 2u);
}

// proves RFC 9000 19.15-3 19.15-4
TEST(RemoteIds, ContradictionsAreViolations) {
  RemoteIds ids = started();
  EXPECT_EQ(add(ids, 1), ErrorCode::kNoError);
  EXPECT_EQ(ids.on_new_id(1, 0, bytes_of(7), token_of(1)).code, ErrorCode::kProtocolViolation);
  EXPECT_EQ(ids.on_new_id(2, 0, bytes_of(1), token_of(1)).code, ErrorCode::kProtocolViolation);
  EXPECT_EQ(ids.on_new_id(1, 0, bytes_of(1), token_of(5)).code, ErrorCode::kProtocolViolation);
  RemoteIds none(4);
  none.start(ConnectionId());
  EXPECT_EQ(add(none, 1), ErrorCode::kProtocolViolation);
}

// RFC 9000 section 19.15: one that comes after what retired it is retired at once.
// proves RFC 9000 19.15-8
TEST(RemoteIds, OneThatCameTooLateIsGivenBack) {
  RemoteIds ids = started();
  EXPECT_EQ(add(ids, 5, 5), ErrorCode::kNoError);
  EXPECT_EQ(ids.current(), ConnectionId(bytes_of(5)));
  EXPECT_EQ(add(ids, 3), ErrorCode::kNoError);
  std::set<uint64_t> retired;
  for (uint64_t sequence; ids.next_to_retire(sequence); ids.on_retirement_sent(sequence)) retired.insert(sequence);
  EXPECT_EQ(retired, (std::set<uint64_t>{0, 3}));
}

// A frame that was sent again for want of its acknowledgement may come when its ID has been retired.
// proves RFC 9000 19.15-4
TEST(RemoteIds, OneThatWasRetiredIsNotTakenForANewOneAgain) {
  RemoteIds ids = started();
  EXPECT_EQ(add(ids, 1), ErrorCode::kNoError);
  EXPECT_EQ(add(ids, 2), ErrorCode::kNoError);
  EXPECT_TRUE(use_fresh(ids));
  EXPECT_TRUE(use_fresh(ids));
  EXPECT_EQ(ids.current_sequence(), 2u);
  EXPECT_EQ(add(ids, 1), ErrorCode::kNoError);
  EXPECT_FALSE(ids.has_fresh());
  EXPECT_EQ(add(ids, 3), ErrorCode::kNoError);
  EXPECT_EQ(ids.reserve(), 3u);
  EXPECT_EQ(add(ids, 1, 1), ErrorCode::kNoError);
  EXPECT_EQ(ids.on_new_id(1, 4, bytes_of(1), token_of(1)).code, ErrorCode::kProtocolViolation) << "none would be left";
}

// proves RFC 9000 5.1.2-4 5.1.2-5 5.1.2-6
TEST(RemoteIds, RetirementsAreSentUntilAcknowledged) {
  RemoteIds ids = started();
  EXPECT_EQ(add(ids, 1), ErrorCode::kNoError);
  EXPECT_TRUE(use_fresh(ids));
  EXPECT_FALSE(use_fresh(ids));
  uint64_t sequence = 9;
  ASSERT_TRUE(ids.next_to_retire(sequence));
  EXPECT_EQ(sequence, 0u);
  ids.on_retirement_sent(0);
  EXPECT_FALSE(ids.next_to_retire(sequence));
  ids.on_retirement_lost(0);
  EXPECT_TRUE(ids.next_to_retire(sequence));
  ids.on_retirement_sent(0);
  ids.on_retirement_acknowledged(0);
  ids.on_retirement_lost(0);
  EXPECT_FALSE(ids.next_to_retire(sequence));
}

// As CVE-2024-22189 had it: IDs that retire each other, and RETIRE_CONNECTION_ID never acknowledged.
// proves RFC 9000 5.1.2-5
TEST(RemoteIds, AFloodOfRetirementsIsRefused) {
  RemoteIds ids = started();
  ErrorCode error = ErrorCode::kNoError;
  uint64_t sequence = 0;
  while (error == ErrorCode::kNoError && sequence < 1000) {
    ++sequence;
    error = ids.on_new_id(sequence, sequence, bytes_of(sequence % 250), token_of(sequence)).code;
  }
  EXPECT_EQ(error, ErrorCode::kConnectionIdLimitError);
  EXPECT_GE(sequence, 2 * RemoteIds::kMax);
  EXPECT_LE(sequence, RemoteIds::kMaxRetiring + 1);
}

// proves RFC 9000 10.3.1-2
TEST(RemoteIds, OnlyTheTokenInUseCounts) {
  RemoteIds ids = started();
  EXPECT_EQ(ids.current_token(), nullptr);
  ids.set_first_token(token_of(9));
  EXPECT_EQ(*ids.current_token(), token_of(9));
  EXPECT_EQ(add(ids, 1), ErrorCode::kNoError);
  EXPECT_EQ(*ids.current_token(), token_of(9));
  EXPECT_TRUE(use_fresh(ids));
  EXPECT_EQ(*ids.current_token(), token_of(1));
}

// Two paths never have the same one, also after one of them was given up.
// proves RFC 9000 5.1.2-1 9.5-2
TEST(RemoteIds, EachIsReservedOnce) {
  RemoteIds ids = started();
  for (uint64_t sequence : {1u, 2u, 3u}) EXPECT_EQ(add(ids, sequence), ErrorCode::kNoError);
  EXPECT_EQ(ids.reserve(), 1u);
  EXPECT_EQ(ids.reserve(), 2u);
  EXPECT_EQ(*ids.find(2), ConnectionId(bytes_of(2)));
  ids.release(1);
  EXPECT_EQ(ids.find(1), nullptr);
  EXPECT_FALSE(ids.use(1));
  EXPECT_EQ(ids.current(), ConnectionId(bytes_of(0)));
  ids.release(0);
  EXPECT_EQ(ids.current(), ConnectionId(bytes_of(0))) << "the one in use stays";
  EXPECT_EQ(ids.reserve(), 3u);
  EXPECT_FALSE(ids.has_fresh());
  EXPECT_EQ(ids.reserve(), std::nullopt);
  uint64_t retired = 9;
  ASSERT_TRUE(ids.next_to_retire(retired));
  EXPECT_EQ(retired, 1u);
}

TEST(RemoteIds, WhatThePeerRetiresIsReplacedByOneThatNoPathHad) {
  RemoteIds ids = started();
  for (uint64_t sequence : {1u, 2u, 3u}) EXPECT_EQ(add(ids, sequence), ErrorCode::kNoError);
  EXPECT_EQ(ids.reserve(), 1u);
  EXPECT_EQ(ids.reserve(), 2u);
  EXPECT_EQ(add(ids, 4, 1), ErrorCode::kNoError);
  EXPECT_EQ(ids.current_sequence(), 3u);
  EXPECT_EQ(ids.reserve(), 4u);
}

// A peer that has none is called by none, on every path.
TEST(RemoteIds, WithoutLengthThereIsButOne) {
  RemoteIds ids(4);
  ids.start(ConnectionId());
  EXPECT_FALSE(ids.has_fresh());
  EXPECT_EQ(ids.reserve(), 0u);
  ids.release(0);
  EXPECT_TRUE(ids.use(0));
}

// Against a set of sequence numbers: whatever comes, the ID in use is an active one.
// proves RFC 9000 19.15-7
TEST(RemoteIds, AgreeWithANaiveModel) {
  EXPECT_TRUE(rc::check([] {
    RemoteIds ids = started();
    std::set<uint64_t> active = {0};
    std::set<uint64_t> given = {0};
    uint64_t prior = 0;
    const int operations = *rc::gen::inRange(1, 40);
    for (int i = 0; i < operations; ++i) {
      if (*rc::gen::inRange(0, 4) == 0) {
        const ConnectionId before = ids.current();
        const bool changed = use_fresh(ids);
        RC_ASSERT(changed == (active.size() > 1));
        if (changed) active.erase(before.data()[0]);
      } else {
        const uint64_t sequence = *rc::gen::inRange<uint64_t>(0, 12);
        const uint64_t retire = std::min(sequence, *rc::gen::inRange<uint64_t>(0, 12));
        const bool known = active.contains(sequence);
        const bool late = sequence < prior;
        const ErrorCode error = sequence == 0 ? ErrorCode::kNoError : add(ids, sequence, retire);
        if (sequence == 0) continue;
        if (error != ErrorCode::kNoError) {
          RC_ASSERT(active.size() >= 2u || *active.rbegin() < retire);
          return;
        }
        if (!known && late) continue;
        const bool is_new = given.insert(sequence).second;
        if (is_new) active.insert(sequence);
        prior = std::max(prior, retire);
        std::erase_if(active, [&](uint64_t s) { return s < prior; });
      }
      RC_ASSERT(active.contains(ids.current().data()[0]));
      for (uint64_t s; ids.next_to_retire(s);) {
        RC_ASSERT(!active.contains(s));
        ids.on_retirement_sent(s);
        ids.on_retirement_acknowledged(s);
      }
    }
  }));
}

}  // namespace
}  // namespace viaduct::quic
