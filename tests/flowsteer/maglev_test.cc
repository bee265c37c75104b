#include "flowsteer/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/random.h"

namespace viaduct::flowsteer {
namespace {

std::vector<MaglevMember> members(size_t count, uint32_t weight = 100) {
  std::vector<MaglevMember> list;
  Random random = Random::from_seed(7);
  for (size_t i = 0; i < count; ++i) list.push_back({random.u64(), weight, static_cast<uint16_t>(i)});
  return list;
}

std::map<uint16_t, double> shares(const MaglevTable& table) {
  std::map<uint16_t, double> result;
  for (const uint16_t value : table.places()) result[value] += 1.0 / static_cast<double>(table.places().size());
  return result;
}

TEST(Maglev, SpreadsEvenly) {
  for (const auto& [value, share] : shares(MaglevTable(members(50)))) {
    EXPECT_GT(share, 0.0198) << value;
    EXPECT_LT(share, 0.0202) << value;
  }
}

TEST(Maglev, SpreadsByWeight) {
  auto list = members(4);
  list[1].weight = 200;
  list[2].weight = 50;
  list[3].weight = 0;
  const auto share = shares(MaglevTable(list));
  EXPECT_NEAR(share.at(0), 100 / 350.0, 0.001);
  EXPECT_NEAR(share.at(1), 200 / 350.0, 0.001);
  EXPECT_NEAR(share.at(2), 50 / 350.0, 0.001);
  EXPECT_FALSE(share.contains(3));
}

// Two balancers whose files list the servers in another order.
TEST(Maglev, DoesNotDependOnTheOrder) {
  auto list = members(9);
  const MaglevTable one(list);
  std::ranges::reverse(list);
  const MaglevTable two(list);
  EXPECT_TRUE(std::ranges::equal(one.places(), two.places()));
}

TEST(Maglev, ChangesLittleWhenAMemberGoes) {
  const auto list = members(20);
  const MaglevTable before(list);
  const MaglevTable after{std::span(list).first(19)};
  // What the member had has to move; a little more may.
  EXPECT_GE(after.moved_from(before), 0.049);
  EXPECT_LT(after.moved_from(before), 0.09);
}

TEST(Maglev, GivesNobodyWhereThereIsNone) {
  EXPECT_EQ(MaglevTable().at(123), MaglevTable::kNobody);
  EXPECT_EQ(MaglevTable(members(3, 0)).at(123), MaglevTable::kNobody);
  EXPECT_EQ(MaglevTable().moved_from(MaglevTable(members(1))), 1.0);
}

TEST(Maglev, TakesAnyHash) {
  const MaglevTable table(members(3), 101);
  EXPECT_LT(table.at(0), 3);
  EXPECT_LT(table.at(~uint64_t{0}), 3);
}

}  // namespace
}  // namespace viaduct::flowsteer
