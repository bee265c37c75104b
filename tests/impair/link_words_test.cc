#include "tools/impair/link_words.h"

#include <gtest/gtest.h>

namespace viaduct::impair {
namespace {

TEST(LinkWords, NothingIsALinkWithoutFaults) {
  const auto link = parse_link("");
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->bits_per_second, 0u);
  EXPECT_EQ(link->loss, 0.0);
  EXPECT_EQ(link->mtu, 1500u);
}

TEST(LinkWords, ReadsEachWord) {
  const auto link = parse_link(
      "rate=10M,queue=25,delay=15ms,jitter=500us,mtu=1280,loss=2%,longest-loss=3,lose-first=0x2a,burst-enter=0.01,"
      "burst-leave=25%,corruption=0.5%,duplication=1%,reordering=0.02,hold-back=20ms,blackhole=5s-7.5s,mark-above=5,"
      "bleach=1");
  ASSERT_TRUE(link.has_value()) << link.error();
  EXPECT_EQ(link->bits_per_second, 10'000'000u);
  EXPECT_EQ(link->queue_packets, 25u);
  EXPECT_EQ(link->delay, Duration::milliseconds(15));
  EXPECT_EQ(link->jitter, Duration::microseconds(500));
  EXPECT_EQ(link->mtu, 1280u);
  EXPECT_DOUBLE_EQ(link->loss, 0.02);
  EXPECT_EQ(link->longest_loss, 3u);
  EXPECT_EQ(link->loss_mask, 0x2au);
  EXPECT_DOUBLE_EQ(link->bursts.enter_bad, 0.01);
  EXPECT_DOUBLE_EQ(link->bursts.leave_bad, 0.25);
  EXPECT_DOUBLE_EQ(link->corruption, 0.005);
  EXPECT_DOUBLE_EQ(link->duplication, 0.01);
  EXPECT_DOUBLE_EQ(link->reordering, 0.02);
  EXPECT_EQ(link->reorder_delay, Duration::milliseconds(20));
  ASSERT_EQ(link->blackholes.size(), 1u);
  EXPECT_EQ(link->blackholes[0].from, Instant() + Duration::seconds(5));
  EXPECT_EQ(link->blackholes[0].until, Instant() + Duration::milliseconds(7500));
  EXPECT_EQ(link->mark_above, 5u);
  EXPECT_TRUE(link->bleach_ecn);
}

TEST(LinkWords, SaysWhatIsWrongAndWhatWasExpected) {
  for (const auto& [text, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"speed=3", "'speed' is no word"},
           {"loss=2%,loss=3%", "'loss' is there twice"},
           {"loss", "expected loss=a share"},
           {"loss=", "expected loss=a share"},
           {"loss=101%", "expected loss=a share"},
           {"loss=-1%", "expected loss=a share"},
           {"loss=nan", "expected loss=a share"},
           {"delay=15", "expected delay=a time"},
           {"delay=99999999s", "expected delay=a time"},
           {"rate=0", "expected rate=bits"},
           {"rate=10X", "expected rate=bits"},
           {"queue=many", "expected queue=a number"},
           {"mtu=100", "expected mtu=bytes"},
           {"lose-first=7", "expected lose-first=a mask"},
           {"blackhole=5s", "expected blackhole=a span"},
           {"blackhole=7s-5s", "expected blackhole=a span"},
           {"bleach=yes", "expected bleach=0 or 1"},
           {",", "'' is no word"},
       }) {
    const auto link = parse_link(text);
    ASSERT_FALSE(link.has_value()) << text;
    EXPECT_NE(link.error().find(part), std::string::npos) << text << ": " << link.error();
  }
}

TEST(LinkWords, HelpNamesEachWord) {
  for (const char* word : {"rate", "loss", "corruption", "blackhole", "mark-above"})
    EXPECT_NE(link_help().find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace viaduct::impair
