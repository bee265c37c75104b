// A server over a FakeEngine, with an application that answers as told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "apps/http3/server.h"
#include "tests/http3/fake_engine.h"

namespace viaduct::http3 {

struct TestApplication : Application {
  struct Asked {
    RequestId id;
    std::string method, path, authority;
  };
  std::vector<Asked> asked;
  std::vector<RequestId> writable, gone;
  std::vector<uint64_t> content;                 // lengths of whole requests
  std::vector<uint64_t> repeated;                // marks
  std::function<void(RequestId)> answer_at_end;  // called when a request is there whole, if set
  std::function<void(RequestId)> answer;         // called for each request, if set

  void on_request(RequestId id, const RequestHead& head) override {
    asked.push_back({id, std::string(head.method), std::string(head.path), std::string(head.authority)});
    if (answer) answer(id);
  }
  void on_content_end(RequestId id, uint64_t length) override {
    content.push_back(length);
    if (answer_at_end) answer_at_end(id);
  }
  void on_repeated(uint64_t mark) override { repeated.push_back(mark); }
  void on_writable(RequestId id) override { writable.push_back(id); }
  void on_gone(RequestId id) override { gone.push_back(id); }
};

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(const ServerLimits& given = small_limits()) : limits(given) {}

  static ServerLimits small_limits() {
    ServerLimits limits;
    limits.max_connections = 16;
    limits.max_requests = 64;
    limits.max_requests_per_connection = 8;
    limits.max_field_section = 4096;
    limits.max_gathered_sections = 4;
    limits.max_gathered_per_connection = 3;
    return limits;
  }

  void SetUp() override {
    application.answer = [this](RequestId id) { answer_ok(id); };
    engine.open();
    run();
  }
  void TearDown() override {
    if (!engine.closed_with) engine.close();
    run();
    engine.release_all();
    run();
  }

  void run() {
    while (server.step(now)) engine.take();
    engine.take();
  }
  // The client's control stream with empty SETTINGS, and both QPACK streams.
  void greet() {
    engine.data(2, varint(0) + frame(FrameType::kSettings, ""));
    engine.data(6, varint(2));
    engine.data(10, varint(3));
    run();
  }
  void send(uint64_t stream, std::string_view bytes, bool fin = false) {
    engine.data(stream, bytes, fin);
    run();
  }
  void answer_ok(RequestId id) {
    static constexpr Field kFields[] = {{"content-length", "2"}};
    static constexpr uint8_t kBody[] = {'o', 'k'};
    server.respond(id, 200, kFields, 2, kBody);
  }
  ReadResponse response(uint64_t stream) { return read_response(engine.out[stream].bytes); }
  uint64_t count(Verdict verdict) const { return server.verdicts()[verdict]; }
  void expect_closed(Error error) {
    ASSERT_TRUE(engine.closed_with);
    EXPECT_EQ(*engine.closed_with, code(error));
    EXPECT_EQ(count(verdict_of(error)), 1u);
    EXPECT_EQ(engine.consumed, engine.delivered);
  }
  void expect_reset(uint64_t stream, Error error) {
    EXPECT_EQ(engine.out[stream].reset, code(error));
    EXPECT_FALSE(engine.closed_with);
  }

  ServerLimits limits;
  FakeEngine engine;
  ChunkPool chunks{128, 1024};
  TestApplication application;
  Server server{limits, engine.channel, chunks, application};
  Instant now = Instant::from_ns(1'000'000'000);
};

}  // namespace viaduct::http3
