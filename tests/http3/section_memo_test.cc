#include "apps/http3/section_memo.h"

#include <gtest/gtest.h>

#include <string>

namespace viaduct::http3 {
namespace {

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

TEST(SectionMemo, knows_what_it_was_told_of_these_very_bytes) {
  SectionMemo memo;
  memo.remember(bytes_of("/index.html"), bytes_of("a page"));
  EXPECT_EQ(text_of(memo.find(bytes_of("/index.html"))), "a page");
  EXPECT_TRUE(memo.find(bytes_of("/index.htm")).empty());
  EXPECT_TRUE(memo.find(bytes_of("/index.html ")).empty());
  EXPECT_TRUE(memo.find(bytes_of("/Index.html")).empty());
  EXPECT_TRUE(memo.find({}).empty());
}

TEST(SectionMemo, remembers_what_fits_and_nothing_longer) {
  SectionMemo memo;
  const std::string text(SectionMemo::kRoom - 10, 't'), fits(10, 'm'), longer(11, 'm');
  memo.remember(bytes_of(text), bytes_of(longer));
  EXPECT_TRUE(memo.find(bytes_of(text)).empty());
  memo.remember(bytes_of(text), bytes_of(fits));
  EXPECT_EQ(text_of(memo.find(bytes_of(text))), fits);
  EXPECT_TRUE(memo.find(bytes_of(std::string(5000, 't'))).empty());
}

// Ten times as many texts as there are places go by; what is asked for between them stays.
TEST(SectionMemo, keeps_what_is_asked_for_while_others_pass) {
  SectionMemo memo;
  memo.remember(bytes_of("often"), bytes_of("kept"));
  size_t known = 0;
  for (size_t i = 0; i < 10 * SectionMemo::kPlaces; ++i) {
    EXPECT_EQ(text_of(memo.find(bytes_of("often"))), "kept");
    const std::string text = "once " + std::to_string(i);
    memo.remember(bytes_of(text), bytes_of(text));
    const Bytes found = memo.find(bytes_of(text));
    known += found.empty() ? 0 : 1;
    if (!found.empty()) {
      EXPECT_EQ(text_of(found), text);
    }
  }
  EXPECT_GT(known, SectionMemo::kPlaces);
}

TEST(SectionMemo, gives_an_old_place_to_what_is_new) {
  SectionMemo memo;
  memo.remember(bytes_of("old"), bytes_of("old"));
  for (size_t i = 0; i < 100 * SectionMemo::kPlaces; ++i) {
    const std::string text = "new " + std::to_string(i);
    memo.remember(bytes_of(text), bytes_of(text));
  }
  EXPECT_TRUE(memo.find(bytes_of("old")).empty());
}

}  // namespace
}  // namespace viaduct::http3
