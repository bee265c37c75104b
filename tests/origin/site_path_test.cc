#include "apps/origin/site_path.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace viaduct::origin {
namespace {

std::string resolved(std::string_view target) {
  std::array<uint8_t, kMaxSitePath + 1> room;
  return std::string(resolve_site_path(target, room));
}

TEST(SitePath, names_files_below_the_root) {
  EXPECT_EQ(resolved("/"), "index.html");
  EXPECT_EQ(resolved("/a/b.css"), "a/b.css");
  EXPECT_EQ(resolved("/a/"), "a/index.html");
  EXPECT_EQ(resolved("/a?b=/../c#d"), "a");
  EXPECT_EQ(resolved("/a%20b%C3%A4"), "a b\xc3\xa4");
  EXPECT_EQ(resolved("/a.b/c..d"), "a.b/c..d");
  EXPECT_EQ(resolved("/" + std::string(kMaxSitePath, 'x')).size(), kMaxSitePath);
}

TEST(SitePath, refuses_what_could_lead_elsewhere_or_is_hidden) {
  const std::string cases[] = {"",
                               "x",
                               "*",
                               "//",
                               "//a",
                               "/a//b",
                               "/.",
                               "/..",
                               "/../a",
                               "/a/../b",
                               "/a/..",
                               "/%2e%2e/a",
                               "/%2E./a",
                               "/.hidden",
                               "/a/.git/config",
                               "/%2ehidden",
                               "/a%2fb",
                               "/a%2Fb",
                               "/a%00b",
                               "/a%",
                               "/a%4",
                               "/a%zz",
                               "/a%0ab",
                               "/a%7f",
                               "/" + std::string(kMaxSitePath + 1, 'x'),
                               "/" + std::string(kMaxSitePath - 3, 'x') + "/",
                               "https://other/a"};
  for (const std::string& target : cases) EXPECT_EQ(resolved(target), "") << target;
}

TEST(ContentType, is_told_by_the_ending) {
  EXPECT_EQ(content_type_of("a/b.html"), "text/html; charset=utf-8");
  EXPECT_EQ(content_type_of("b.SVG"), "image/svg+xml");
  EXPECT_EQ(content_type_of("a.tar.zip"), "application/zip");
  EXPECT_EQ(content_type_of("woff2"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.css/b"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.unknownending1234567"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a."), "application/octet-stream");
}

}  // namespace
}  // namespace viaduct::origin
