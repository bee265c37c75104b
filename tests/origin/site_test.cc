// Requests over a fake engine, answered out of a real folder by a loader that is served by hand.
#include "apps/origin/site.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/http3/fake_engine.h"
#include "tests/origin/folder.h"

namespace viaduct::origin {
namespace {

using http3::FakeEngine;
using http3::Field;
using http3::ReadResponse;

class Asked : public testing::Test {
 protected:
  Asked() {
    folder.write("index.html", "<html>");
    folder.write("style.css", std::string(900, 's'));
    folder.write("sub/page.html", "sub");
    std::string content;
    for (int i = 0; i < 9'500; ++i) content += static_cast<char>('a' + i % 23);
    big = content;
    folder.write("big.bin", big);
    folder.write(".hidden", "no");
    content_config.root = folder.path();
    content_config.store_bytes = 8 * 1000;
    content_config.segment_size = 1000;
    content_config.tasks_per_worker = 8;
    site_limits.max_requests = 32;
    site_limits.first_window = 2;
    site_limits.last_window = 4;
    site_limits.max_held = 4;
    server_limits.max_connections = 8;
    server_limits.max_requests = 32;
    server_limits.max_requests_per_connection = 16;
    server_limits.max_writes_ahead = 4;
  }
  void SetUp() override {
    loader = std::make_unique<ContentLoader>(content_config, 1);
    ASSERT_EQ(loader->open_root(), "");
    client = std::make_unique<ContentClient>(*loader, 0, 2);
    engine = std::make_unique<FakeEngine>();
    site = std::make_unique<Site>(site_limits, *client, wall);
    server = std::make_unique<http3::Server>(server_limits, engine->channel, chunks, *site);
    site->serve_through(*server);
    engine->open();
    run();
  }
  void TearDown() override {
    engine->close();
    run();
    EXPECT_EQ(server->requests().used(), 0u);
    EXPECT_EQ(client->use().used(), 0u);
    EXPECT_EQ(site->statistics().in_progress.value(), 0u);
    server.reset();
    site.reset();
    engine.reset();
    client.reset();
    EXPECT_EQ(loader->store().held(), 0u);
  }
  void step() {
    site->step(now);
    server->step(now);
    site->flush();
    engine->take();
    loader->serve(now);
  }
  void run(int rounds = 60) {
    for (int i = 0; i < rounds; ++i) {
      step();
      engine->release_all();
      now = now + Duration::microseconds(600);
    }
  }
  ReadResponse ask(std::string_view path, std::vector<Field> extra = {}, std::string_view method = "GET") {
    auto fields = http3::request_fields(path, method);
    fields.insert(fields.end(), extra.begin(), extra.end());
    last = next;
    next += 4;
    engine->data(last, http3::headers(fields), true);
    run();
    return http3::read_response(engine->out[last].bytes);
  }
  uint64_t count(Verdict verdict) { return site->verdicts()[verdict]; }

  Folder folder;
  std::string big;
  ContentConfig content_config;
  SiteLimits site_limits;
  http3::ServerLimits server_limits;
  settings::WallClock wall;
  ChunkPool chunks{64, 1024 + Site::kCopiedContent};
  std::unique_ptr<ContentLoader> loader;
  std::unique_ptr<ContentClient> client;
  std::unique_ptr<FakeEngine> engine;
  std::unique_ptr<Site> site;
  std::unique_ptr<http3::Server> server;
  uint64_t next = 0, last = 0;
  Instant now = MonotonicClock::now();
};

// An upload is answered once it is there, and only where it is allowed.
class AskedToTake : public Asked {
 protected:
  AskedToTake() { site_limits.upload_path = "/up"; }
  void begin(std::string_view path, std::string_view method) {
    last = next;
    next += 4;
    engine->data(last, http3::headers(http3::request_fields(path, method)));
    run();
  }
  void send(std::string_view content, bool fin) {
    engine->data(last, http3::frame(http3::FrameType::kData, content), fin);
    run();
  }
  ReadResponse answer() { return http3::read_response(engine->out[last].bytes); }
};

TEST_F(AskedToTake, content_in_parts) {
  begin("/up?name=x", "POST");
  send(std::string(1000, 'u'), false);
  EXPECT_TRUE(engine->out[last].bytes.empty()) << "no answer before the end";
  send("end", true);
  EXPECT_EQ(answer().status, "204");
  EXPECT_EQ(site->statistics().upload_bytes.value(), 1003u);
  EXPECT_EQ(count(kUploadTaken), 1u);
}

TEST_F(AskedToTake, nothing_elsewhere) {
  for (const std::string_view path : {"/upper", "/u", "/"}) {
    begin(path, "PUT");
    EXPECT_EQ(answer().status, "405") << path;
  }
  EXPECT_EQ(ask("/up/below", {}, "PUT").status, "204");
  EXPECT_EQ(ask("/up", {}, "GET").status, "404");
  EXPECT_EQ(site->statistics().upload_bytes.value(), 0u);
}

TEST_F(AskedToTake, content_that_never_ends) {
  begin("/up", "POST");
  send("part", false);
  engine->reset(last);
  run();
  EXPECT_EQ(count(kGivenUp), 1u);
  EXPECT_EQ(site->statistics().upload_bytes.value(), 0u);
}

TEST_F(Asked, to_take_content_although_it_does_not) { EXPECT_EQ(ask("/up", {}, "POST").status, "405"); }

TEST_F(Asked, for_a_page) {
  const ReadResponse response = ask("/");
  EXPECT_EQ(response.status, "200");
  EXPECT_EQ(response.body, "<html>");
  EXPECT_EQ(response.fields.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(response.fields.at("content-length"), "6");
  EXPECT_EQ(response.fields.at("date").size(), kHttpDateSize);
  EXPECT_TRUE(engine->out[last].fin);
  EXPECT_EQ(ask("/sub/page.html").body, "sub");
  EXPECT_EQ(count(kServed), 2u);
  EXPECT_EQ(site->statistics().by_status[200].value(), 2u);
}

TEST_F(Asked, again_and_again_for_a_small_file_without_asking_the_loader) {
  ask("/style.css");
  const uint64_t opens = loader->statistics().opens;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask("/style.css").body.size(), 900u);
  EXPECT_EQ(loader->statistics().opens, opens);
  now = now + content_config.freshness;
  ask("/style.css");
  EXPECT_EQ(loader->statistics().opens, opens + 1);
}

// Answers that are repeated: the same as anew, and counted the same.
class AskedAgain : public Asked {
 protected:
  AskedAgain() { content_config.freshness = Duration::seconds(60); }
  // Asks, within a second, until the same is said without a request that takes state; the last answer's bytes.
  std::string repeat(std::string_view path, std::vector<Field> extra = {}, std::string_view method = "GET") {
    constexpr int64_t kSecond = 1'000'000'000;
    now = now + Duration::nanoseconds(kSecond - (now.ns() + wall.offset()) % kSecond);
    ask(path, extra, method);
    ask(path, extra, method);
    const std::string anew = engine->out[last].bytes;
    const uint64_t taken = site->verdicts().sum();
    auto fields = http3::request_fields(path, method);
    fields.insert(fields.end(), extra.begin(), extra.end());
    last = next;
    next += 4;
    engine->data(last, http3::headers(fields), true);
    step();
    EXPECT_EQ(server->requests().used(), 0u) << path;
    EXPECT_EQ(site->verdicts().sum(), taken + 1);
    EXPECT_TRUE(engine->out[last].fin);
    EXPECT_EQ(engine->out[last].bytes, anew);
    run();
    return engine->out[last].bytes;
  }
};

TEST_F(AskedAgain, for_a_small_file) {
  EXPECT_EQ(http3::read_response(repeat("/style.css")).body, std::string(900, 's'));
  EXPECT_EQ(count(kServed), 3u);
  EXPECT_EQ(site->statistics().by_status[200].value(), 3u);
  EXPECT_EQ(site->statistics().body_bytes.value(), 2700u);
}

TEST_F(AskedAgain, in_other_ways) {
  const std::string tag = ask("/style.css").fields.at("etag");
  EXPECT_EQ(http3::read_response(repeat("/style.css", {}, "HEAD")).body, "");
  EXPECT_EQ(http3::read_response(repeat("/style.css", {{"range", "bytes=10-19"}})).body, std::string(10, 's'));
  EXPECT_EQ(http3::read_response(repeat("/style.css", {{"range", "bytes=900-"}})).status, "416");
  EXPECT_EQ(http3::read_response(repeat("/style.css", {{"if-none-match", tag}})).status, "304");
  EXPECT_EQ(site->statistics().body_bytes.value(), 930u);
  EXPECT_EQ(count(kServed), 7u);
  EXPECT_EQ(count(kRangeRefused), 3u);
  EXPECT_EQ(count(kNotModified), 3u);
}

TEST_F(AskedAgain, says_what_time_it_is) {
  for (int i = 0; i < 20; ++i) {
    const HttpDate date(wall.unix_seconds(now));
    EXPECT_EQ(ask("/style.css").fields.at("date"), date.view());
    now = now + Duration::milliseconds(200);
  }
}

TEST_F(AskedAgain, says_what_is_there_once_the_old_is_not_fresh_any_more) {
  repeat("/index.html");
  folder.write("index.html", "<html>changed");
  EXPECT_EQ(ask("/index.html").body, "<html>");
  now = now + content_config.freshness;
  EXPECT_EQ(ask("/index.html").body, "<html>changed");
}

TEST_F(Asked, for_a_file_larger_than_the_store) {
  const ReadResponse response = ask("/big.bin");
  EXPECT_EQ(response.status, "200");
  EXPECT_EQ(response.body, big);
  EXPECT_TRUE(engine->out[last].fin);
  EXPECT_EQ(site->statistics().body_bytes.value(), big.size());
}

TEST_F(Asked, for_head) {
  const ReadResponse response = ask("/big.bin", {}, "HEAD");
  EXPECT_EQ(response.status, "200");
  EXPECT_EQ(response.fields.at("content-length"), std::to_string(big.size()));
  EXPECT_EQ(response.body, "");
  EXPECT_TRUE(engine->out[last].fin);
  EXPECT_EQ(ask("/none", {}, "HEAD").body, "");
}

TEST_F(Asked, for_ranges) {
  const struct {
    const char* range;
    size_t first, length;
  } cases[] = {{"bytes=0-0", 0, 1},      {"bytes=999-1000", 999, 2}, {"bytes=1000-1999", 1000, 1000},
               {"bytes=9499-", 9499, 1}, {"bytes=-9499", 1, 9499},   {"bytes=500-8500", 500, 8001}};
  for (const auto& c : cases) {
    const ReadResponse response = ask("/big.bin", {{"range", c.range}});
    EXPECT_EQ(response.status, "206") << c.range;
    EXPECT_EQ(response.body, big.substr(c.first, c.length)) << c.range;
    EXPECT_EQ(response.fields.at("content-length"), std::to_string(c.length));
  }
  const ReadResponse small = ask("/style.css", {{"range", "bytes=890-"}});
  EXPECT_EQ(small.body, std::string(10, 's'));
  const ReadResponse beyond = ask("/big.bin", {{"range", "bytes=9500-"}});
  EXPECT_EQ(beyond.status, "416");
  EXPECT_EQ(beyond.fields.at("content-range"), "bytes */9500");
  EXPECT_EQ(count(kRangeRefused), 1u);
}

TEST_F(Asked, with_conditions) {
  const ReadResponse first = ask("/big.bin");
  const std::string tag = first.fields.at("etag");
  const ReadResponse same = ask("/big.bin", {{"if-none-match", tag}});
  EXPECT_EQ(same.status, "304");
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(same.fields.at("etag"), tag);
  EXPECT_EQ(ask("/big.bin", {{"if-match", "\"other\""}}).status, "412");
  EXPECT_EQ(ask("/style.css", {{"if-modified-since", first.fields.at("date")}}).status, "304");
  EXPECT_EQ(count(kNotModified), 2u);
  EXPECT_EQ(count(kPreconditionFailed), 1u);
}

TEST_F(Asked, for_what_is_not_there_or_not_to_be_served) {
  for (const char* path : {"/none", "/.hidden", "/../site/index.html", "/%2e%2e/x", "/a%00b", "//"})
    EXPECT_EQ(ask(path).status, "404") << path;
  EXPECT_EQ(count(kPathRefused), 5u);
  EXPECT_EQ(count(kFileNotFound), 1u);
  const ReadResponse moved = ask("/sub?query");
  EXPECT_EQ(moved.status, "308");
  EXPECT_EQ(moved.fields.at("location"), "/sub/");
  EXPECT_EQ(count(kRedirected), 1u);
  const ReadResponse refused = ask("/", {}, "DELETE");
  EXPECT_EQ(refused.status, "405");
  EXPECT_EQ(refused.fields.at("allow"), "GET, HEAD");
  EXPECT_EQ(count(kMethodRefused), 1u);
}

TEST_F(Asked, with_conditions_longer_than_it_keeps) {
  const std::string list(3000, 'x');
  EXPECT_EQ(ask("/", {{"if-none-match", list}}).status, "431");
  EXPECT_EQ(count(kConditionsTooLarge), 1u);
}

TEST_F(Asked, by_one_who_does_not_read_holds_little) {
  engine->data(0, http3::get("/big.bin"), true);
  for (int i = 0; i < 50; ++i) step();
  EXPECT_EQ(engine->held(), 1u + site_limits.first_window);  // the head, and the first window
  EXPECT_LE(loader->store().held(), site_limits.first_window);
  engine->release_all();
  for (int i = 0; i < 50; ++i) step();
  EXPECT_LE(engine->held(), site_limits.last_window);
  run();
  EXPECT_EQ(http3::read_response(engine->out[0].bytes).body, big);
  next = 4;
}

TEST_F(Asked, by_many_at_once) {
  for (uint64_t stream = 0; stream < 12 * 4; stream += 4)
    engine->data(stream, http3::get(stream % 8 ? "/big.bin" : "/style.css"), true);
  run(400);
  size_t complete = 0, busy = 0;
  for (uint64_t stream = 0; stream < 12 * 4; stream += 4) {
    const ReadResponse response = http3::read_response(engine->out[stream].bytes);
    complete += response.body == (stream % 8 ? big : std::string(900, 's'));
    busy += response.status == "503";
  }
  EXPECT_EQ(complete + busy, 12u);
  EXPECT_EQ(busy, 4u) << "beyond the eight tasks";
  EXPECT_EQ(count(kContentBusy), 4u);
}

TEST_F(Asked, for_a_file_that_changes_under_way) {
  engine->data(0, http3::get("/big.bin"), true);
  for (int i = 0; i < 10; ++i) step();
  folder.write("big.bin", "short now");
  run();
  EXPECT_EQ(engine->out[0].reset, http3::code(http3::Error::kInternalError));
  EXPECT_EQ(count(kContentChanged), 1u);
  next = 4;
  now = now + content_config.freshness;
  EXPECT_EQ(ask("/big.bin").body, "short now");
}

TEST_F(Asked, by_one_who_goes_away) {
  engine->data(0, http3::get("/big.bin"), true);
  server->step(now);
  engine->take();
  engine->stop_sending(0);
  run();
  EXPECT_EQ(count(kGivenUp), 1u);
  engine->data(4, http3::get("/big.bin"), true);
  for (int i = 0; i < 10; ++i) step();
  engine->stop_sending(4);
  run();
  EXPECT_EQ(count(kServed), 1u) << "its answer had begun";
}

}  // namespace
}  // namespace viaduct::origin
