#include "apps/origin/responses.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "apps/origin/verdicts.h"

namespace viaduct::origin {
namespace {

// RFC 9110 section 5.6.7.
TEST(HttpDate, is_written_and_read) {
  EXPECT_EQ(HttpDate(784111777).view(), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(0).view(), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(HttpDate(951782400).view(), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), 784111777);
  for (const char* wrong : {"", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
                            "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTx", "784111777"})
    EXPECT_EQ(parse_http_date(wrong), std::nullopt) << wrong;
}

TEST(HttpDate, of_any_second_is_read_back) {
  for (int64_t second = 0; second < 4'000'000'000; second += 12'345'678)
    ASSERT_EQ(parse_http_date(HttpDate(second).view()), second);
}

// RFC 9110 section 14.1.2, for a file of 1,000 bytes.
TEST(Range, table) {
  using Kind = RangeOutcome::Kind;
  const struct {
    const char* value;
    Kind kind;
    uint64_t first = 0, length = 0;
  } cases[] = {
      {"bytes=0-0", Kind::kPart, 0, 1},
      {"bytes=0-499", Kind::kPart, 0, 500},
      {"bytes=500-", Kind::kPart, 500, 500},
      {"bytes=-1", Kind::kPart, 999, 1},
      {"bytes=-5000", Kind::kPart, 0, 1000},
      {"bytes=999-999", Kind::kPart, 999, 1},
      {"bytes=990-20000", Kind::kPart, 990, 10},
      {"bytes= 5-9 ", Kind::kPart, 5, 5},
      {"bytes=,5-9", Kind::kPart, 5, 5},
      {"bytes=1000-", Kind::kUnsatisfiable},
      {"bytes=1000-2000", Kind::kUnsatisfiable},
      {"bytes=-0", Kind::kUnsatisfiable},
      {"bytes=1000-,2000-", Kind::kUnsatisfiable},
      {"bytes=0-1,5-6", Kind::kWhole},
      {"bytes=0-1,2000-", Kind::kWhole},
      {"bytes=", Kind::kWhole},
      {"bytes=-", Kind::kWhole},
      {"bytes=5", Kind::kWhole},
      {"bytes=9-5", Kind::kWhole},
      {"bytes=a-b", Kind::kWhole},
      {"bytes=0-18446744073709551616", Kind::kWhole},
      {"items=0-5", Kind::kWhole},
      {"0-5", Kind::kWhole},
  };
  for (const auto& c : cases) {
    const RangeOutcome outcome = parse_range(c.value, 1000);
    EXPECT_EQ(outcome.kind, c.kind) << c.value;
    if (c.kind == Kind::kPart) {
      EXPECT_EQ(outcome.first, c.first) << c.value;
      EXPECT_EQ(outcome.length, c.length) << c.value;
    }
  }
  EXPECT_EQ(parse_range("bytes=0-", 0).kind, Kind::kUnsatisfiable);
}

TEST(EntityTag, lists) {
  EXPECT_TRUE(matches_tag("\"a\"", "\"a\"", false));
  EXPECT_TRUE(matches_tag("\"b\" , \"a\"", "\"a\"", false));
  EXPECT_TRUE(matches_tag("*", "\"a\"", false));
  EXPECT_TRUE(matches_tag("W/\"a\"", "\"a\"", true));
  EXPECT_FALSE(matches_tag("W/\"a\"", "\"a\"", false));
  EXPECT_FALSE(matches_tag("\"ab\"", "\"a\"", true));
  EXPECT_FALSE(matches_tag("a", "\"a\"", true));
  EXPECT_FALSE(matches_tag("\"a", "\"a\"", true));
  EXPECT_FALSE(matches_tag("", "\"a\"", true));
}

FileInfo file() {
  FileInfo info{.size = 1000, .modified = 784111777, .last_modified = HttpDate(784111777), .content_type = "text/css"};
  const std::string_view tag = "\"v1\"";
  std::copy(tag.begin(), tag.end(), info.tag.text.begin());
  info.tag.size = static_cast<uint8_t>(tag.size());
  return info;
}

constexpr std::string_view kThen = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";

// RFC 9110 section 13.2.2.
TEST(Decision, by_conditions) {
  const struct {
    const char* what;
    Conditions conditions;
    uint16_t status;
    uint64_t length = 1000;
  } cases[] = {
      {"none", {}, 200},
      {"the same tag", {.if_none_match = "\"v1\""}, 304},
      {"the same tag, weakly", {.if_none_match = "W/\"v1\""}, 304},
      {"any tag", {.if_none_match = "*"}, 304},
      {"another tag", {.if_none_match = "\"v0\""}, 200},
      {"another tag counts more than a date", {.if_none_match = "\"v0\"", .if_modified_since = kThen}, 200},
      {"not modified since", {.if_modified_since = kThen}, 304},
      {"modified since", {.if_modified_since = kBefore}, 200},
      {"a date that is none", {.if_modified_since = "never"}, 200},
      {"a tag it must have", {.if_match = "\"v1\""}, 200},
      {"a tag it must have and has not", {.if_match = "\"v0\""}, 412},
      {"a weak tag is not enough", {.if_match = "W/\"v1\""}, 412},
      {"unmodified since", {.if_unmodified_since = kThen}, 200},
      {"not unmodified since", {.if_unmodified_since = kBefore}, 412},
      {"if-match counts more", {.if_match = "\"v1\"", .if_unmodified_since = kBefore}, 200},
      {"a range", {.range = "bytes=10-19"}, 206, 10},
      {"a range beyond", {.range = "bytes=1000-"}, 416},
      {"two ranges", {.range = "bytes=0-1,4-5"}, 200},
      {"a range of HEAD is ignored", {.is_head = true, .range = "bytes=10-19"}, 200},
      {"a range of the current tag", {.if_range = "\"v1\"", .range = "bytes=10-19"}, 206, 10},
      {"a range of another tag", {.if_range = "\"v0\"", .range = "bytes=10-19"}, 200},
      {"a range of a weak tag", {.if_range = "W/\"v1\"", .range = "bytes=10-19"}, 200},
      {"a range of the current date", {.if_range = kThen, .range = "bytes=10-19"}, 206, 10},
      {"a range of another date", {.if_range = kBefore, .range = "bytes=10-19"}, 200},
      {"not modified counts more than a range", {.if_none_match = "\"v1\"", .range = "bytes=10-19"}, 304},
  };
  for (const auto& c : cases) {
    const Decision decision = decide(c.conditions, file());
    EXPECT_EQ(decision.status, c.status) << c.what;
    if (decision.status < 300) {
      EXPECT_EQ(decision.length, c.length) << c.what;
    }
  }
}

TEST(Conditions, are_kept_where_they_fit) {
  std::string tag = "\"v1\"", range = "bytes=0-1";
  Conditions conditions{.if_none_match = tag, .range = range};
  std::array<char, 13> room;
  ASSERT_TRUE(conditions.keep_in(room));
  tag = range = "xxxxxxxxxxxxx";
  EXPECT_EQ(conditions.if_none_match, "\"v1\"");
  EXPECT_EQ(conditions.range, "bytes=0-1");
  std::array<char, 12> small;
  EXPECT_FALSE(conditions.keep_in(small));
}

std::map<std::string, std::string> fields_of(const Decision& decision, const FileInfo* info) {
  const ResponseFields fields(decision, info, "the date", "/to/");
  std::map<std::string, std::string> seen;
  for (const auto& field : fields.fields()) {
    EXPECT_TRUE(seen.emplace(field.name, field.value).second) << field.name;
  }
  return seen;
}

TEST(ResponseFields, of_each_status) {
  const FileInfo info = file();
  auto fields = fields_of(decide({}, info), &info);
  EXPECT_EQ(fields["content-length"], "1000");
  EXPECT_EQ(fields["content-type"], "text/css");
  EXPECT_EQ(fields["etag"], "\"v1\"");
  EXPECT_EQ(fields["last-modified"], kThen);
  EXPECT_EQ(fields["accept-ranges"], "bytes");
  EXPECT_EQ(fields["server"], "viaduct");
  EXPECT_EQ(fields["date"], "the date");
  fields = fields_of(decide({.range = "bytes=10-19"}, info), &info);
  EXPECT_EQ(fields["content-range"], "bytes 10-19/1000");
  EXPECT_EQ(fields["content-length"], "10");
  fields = fields_of(decide({.range = "bytes=1000-"}, info), &info);
  EXPECT_EQ(fields["content-range"], "bytes */1000");
  fields = fields_of(decide({.if_none_match = "*"}, info), &info);
  EXPECT_EQ(fields["etag"], "\"v1\"");
  EXPECT_FALSE(fields.contains("content-length"));
  fields = fields_of({.status = 405, .verdict = kMethodRefused}, nullptr);
  EXPECT_EQ(fields["allow"], "GET, HEAD");
  EXPECT_EQ(fields_of(decide(ContentStatus::kMoved), nullptr)["location"], "/to/");
  EXPECT_EQ(fields_of(decide(ContentStatus::kBusy), nullptr)["retry-after"], "1");
  EXPECT_EQ(decide(ContentStatus::kNotFound).status, 404);
  EXPECT_EQ(decide(ContentStatus::kUnreadable).status, 500);
}

}  // namespace
}  // namespace viaduct::origin
