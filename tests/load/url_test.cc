#include "apps/load/url.h"

#include <gtest/gtest.h>

namespace viaduct::load {
namespace {

struct Good {
  const char* text;
  const char* host;
  uint16_t port;
  const char* authority;
  const char* path;
};

TEST(Url, IsTakenApart) {
  for (const Good& good : {
           Good{"https://a.example", "a.example", 443, "a.example", "/"},
           Good{"https://a.example/x/y?z=1#part", "a.example", 443, "a.example", "/x/y?z=1"},
           Good{"https://a.example?z", "a.example", 443, "a.example", "/?z"},
           Good{"https://198.18.0.1:8443/", "198.18.0.1", 8443, "198.18.0.1:8443", "/"},
           Good{"https://[2001:db8::1]", "2001:db8::1", 443, "[2001:db8::1]", "/"},
           Good{"https://[2001:db8::1]:444/a", "2001:db8::1", 444, "[2001:db8::1]:444", "/a"},
       }) {
    const auto url = Url::parse(good.text);
    ASSERT_TRUE(url) << good.text << ": " << url.error();
    EXPECT_EQ(url->host, good.host);
    EXPECT_EQ(url->port, good.port);
    EXPECT_EQ(url->authority, good.authority);
    EXPECT_EQ(url->path, good.path);
  }
}

TEST(Url, ThatCannotBeSaysWhatWasExpected) {
  for (const char* text :
       {"", "a.example", "http://a.example/", "https://", "https:///x", "https://a:0/", "https://a:65536/",
        "https://a:x/", "https://a:/", "https://[2001:db8::1/", "https://2001:db8::1]/", "https://u:p@a.example/",
        "https://a.example/a b", "https://a.example/\n"}) {
    const auto url = Url::parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_NE(url.error().find("expected"), std::string::npos);
  }
}

}  // namespace
}  // namespace viaduct::load
