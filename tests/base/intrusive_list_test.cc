#include "base/intrusive_list.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <vector>

namespace viaduct {
namespace {

struct Red;
struct Blue;
struct Item : ListNode<Red>, ListNode<Blue> {
  int id = 0;
};
using RedList = IntrusiveList<Item, Red>;
using BlueList = IntrusiveList<Item, Blue>;

template <class List>
std::vector<int> ids(List& list) {
  std::vector<int> result;
  for (Item* item = list.front(); item; item = list.next(*item)) result.push_back(item->id);
  return result;
}

TEST(IntrusiveList, ItemsMayBeInOneListOfEachTag) {
  RedList red;
  BlueList blue;
  Item item;
  red.push_back(item);
  EXPECT_FALSE(item.ListNode<Blue>::is_linked());
  blue.push_back(item);
  red.remove(item);
  EXPECT_TRUE(red.empty());
  EXPECT_EQ(blue.front(), &item);
}

TEST(IntrusiveList, ItemLeavesWhenItIsDestroyed) {
  RedList list;
  std::array<Item, 2> stay;
  std::optional<Item> gone(std::in_place);
  list.push_back(stay[0]);
  list.push_back(*gone);
  list.push_back(stay[1]);
  gone.reset();
  EXPECT_EQ(list.next(stay[0]), &stay[1]);
}

TEST(IntrusiveList, ItemsOutliveTheList) {
  Item item;
  {
    RedList list;
    list.push_back(item);
  }
  EXPECT_FALSE(item.ListNode<Red>::is_linked());
}

// Random operations on two lists and on two deques.
RC_GTEST_PROP(IntrusiveList, BehavesLikeADeque, ()) {
  std::array<Item, 8> items;
  for (size_t i = 0; i < items.size(); ++i) items[i].id = static_cast<int>(i);
  RedList lists[2];
  std::deque<int> models[2];
  const auto operations =
      *rc::gen::container<std::vector<std::array<uint8_t, 3>>>(rc::gen::arbitrary<std::array<uint8_t, 3>>());
  for (const auto& [operation, which, index] : operations) {
    RedList& list = lists[which % 2];
    std::deque<int>& model = models[which % 2];
    Item& item = items[index % items.size()];
    const bool linked = item.ListNode<Red>::is_linked();
    switch (operation % 5) {
      case 0:
        if (!linked) list.push_back(item), model.push_back(item.id);
        break;
      case 1:
        if (!linked) list.push_front(item), model.push_front(item.id);
        break;
      case 2:
        item.ListNode<Red>::unlink();
        for (auto& each : models) std::erase(each, item.id);
        break;
      case 3: {
        Item* popped = list.pop_front();
        RC_ASSERT((popped != nullptr) == !model.empty());
        if (popped) RC_ASSERT(popped->id == model.front()), model.pop_front();
        break;
      }
      case 4:
        lists[0].splice_back(lists[1]);
        models[0].insert(models[0].end(), models[1].begin(), models[1].end());
        models[1].clear();
        break;
    }
    for (int i = 0; i < 2; ++i) {
      RC_ASSERT(ids(lists[i]) == std::vector<int>(models[i].begin(), models[i].end()));
      RC_ASSERT((lists[i].back() ? lists[i].back()->id : -1) == (models[i].empty() ? -1 : models[i].back()));
    }
  }
}

}  // namespace
}  // namespace viaduct
