#include "engine/endpoint/cid_index.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <vector>

namespace viaduct::quic {
namespace {

using flowsteer::ConnectionId;

constexpr SipKey kKey = {1, 2, 3};

// Few different ones, of different lengths, so that operations meet.
ConnectionId id_of(unsigned number) {
  return ConnectionId(std::vector<uint8_t>(number % 21, static_cast<uint8_t>(number / 21)));
}

TEST(CidIndex, AgreesWithAMap) {
  EXPECT_TRUE(rc::check([] {
    CidIndex index(40, kKey);
    std::map<unsigned, uint32_t> model;
    const auto key_of = [](unsigned number) { return number % 21 == 0 ? 0 : number; };
    const int operations = *rc::gen::inRange(0, 300);
    for (int i = 0; i < operations; ++i) {
      const unsigned number = key_of(*rc::gen::inRange(0u, 100u));
      if (*rc::gen::inRange(0, 5) < 3) {
        const bool fits = !model.contains(number) && model.size() < 40;
        RC_ASSERT(index.insert(id_of(number), number + 7) == fits);
        if (fits) model[number] = number + 7;
      } else {
        index.erase(id_of(number));
        model.erase(number);
      }
      RC_ASSERT(index.size() == model.size());
    }
    for (unsigned number = 0; number < 100; ++number) {
      const auto found = model.find(key_of(number));
      RC_ASSERT(index.find(id_of(number).bytes()) == (found == model.end() ? CidIndex::kNone : found->second));
    }
  }));
}

TEST(CidIndex, FindsABurst) {
  CidIndex index(100, kKey);
  std::vector<std::vector<uint8_t>> ids;
  std::vector<Bytes> wanted;
  for (uint8_t i = 0; i < CidIndex::kBatch; ++i) ids.emplace_back(i == 5 ? 255 : 12, i);
  for (uint32_t i = 0; i < ids.size(); ++i) {
    wanted.emplace_back(ids[i]);
    if (i % 3 == 0) {
      EXPECT_TRUE(index.insert(ConnectionId(ids[i]), i));
    }
  }
  std::array<uint32_t, CidIndex::kBatch> found;
  index.find(wanted, found);
  for (uint32_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], i % 3 == 0 ? i : CidIndex::kNone);
}

TEST(CidIndex, RefusesAndCountsWhatDoesNotFit) {
  CidIndex index(2, kKey);
  EXPECT_TRUE(index.insert(id_of(1), 1));
  EXPECT_FALSE(index.insert(id_of(1), 2));
  EXPECT_TRUE(index.insert(id_of(2), 2));
  EXPECT_FALSE(index.insert(id_of(3), 3));
  EXPECT_EQ(index.refused(), 2u);
  EXPECT_EQ(index.high_water(), 2u);
  EXPECT_EQ(index.find(id_of(1).bytes()), 1u);
}

}  // namespace
}  // namespace viaduct::quic
