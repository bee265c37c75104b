// Client and server, their channels joined: what one writes the other reads, in pieces of any size.
#include "apps/http3/client.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "apps/http3/server.h"
#include "base/random.h"
#include "tests/http3/server_fixture.h"

namespace viaduct::http3 {
namespace {

// Carries what one side writes to the other and releases it at once.
class Cable {
 public:
  Cable(quic::AppChannel& a, quic::AppChannel& b, size_t piece) : ends_{&a, &b}, piece_(piece) {
    for (quic::AppChannel* end : ends_) end->events.push({.type = quic::EventType::kOpened, .connection = {0, 1}});
  }
  void move() {
    carry(*ends_[0], *ends_[1]);
    carry(*ends_[1], *ends_[0]);
  }

 private:
  void carry(quic::AppChannel& from, quic::AppChannel& to) {
    quic::Command command;
    while (from.commands.pop(command)) {
      quic::Event event{.connection = command.connection, .stream = command.stream};
      if (command.type == quic::CommandType::kWrite) {
        deliver(command, to);
        event.type = quic::EventType::kReleased;
        event.chunk = command.chunk;
        from.events.push(event);
      } else if (command.type == quic::CommandType::kReset) {
        event.type = quic::EventType::kReset;
        event.error = command.error;
        to.events.push(event);
      } else if (command.type == quic::CommandType::kStopSending) {
        event.type = quic::EventType::kStopSending;
        event.error = command.error;
        to.events.push(event);
      } else if (command.type == quic::CommandType::kClose) {
        event.type = quic::EventType::kClosed;
        event.application_error = true;
        event.error = command.error;
        to.events.push(event);
        from.events.push(event);
      }
    }
  }
  void deliver(const quic::Command& command, quic::AppChannel& to) {
    kept_.emplace_back(reinterpret_cast<const char*>(command.chunk->data()) + command.offset, command.length);
    const std::string& text = kept_.back();
    for (size_t at = 0; at < text.size() || text.empty(); at += piece_) {
      const size_t size = std::min(piece_, text.size() - at);
      quic::Event event{.type = quic::EventType::kData, .connection = command.connection};
      event.fin = command.fin && at + size == text.size();
      event.length = static_cast<uint32_t>(size);
      event.stream = command.stream;
      event.data = reinterpret_cast<const uint8_t*>(text.data()) + at;
      event.token = 1;
      to.events.push(event);
    }
  }
  quic::AppChannel* ends_[2];
  size_t piece_;
  std::deque<std::string> kept_;
};

struct TestHandler : ClientHandler {
  bool connected = false;
  std::optional<uint64_t> disconnected;
  std::map<uint64_t, std::string> status, body;
  std::map<uint64_t, Ending> endings;

  void on_connected(quic::ConnectionHandle, uint64_t) override { connected = true; }
  void on_disconnected(quic::ConnectionHandle, uint64_t error, bool) override { disconnected = error; }
  void on_head(uint64_t cookie, const ResponseHead& head) override { status[cookie] = std::to_string(head.status); }
  void on_body(uint64_t cookie, Bytes bytes) override {
    body[cookie].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_end(uint64_t cookie, const Ending& ending) override { endings[cookie] = ending; }
};

class Pair : public testing::TestWithParam<size_t> {
 protected:
  void run() {
    for (int i = 0; i < 600; ++i) {
      cable.move();
      client.step();
      server.step(now);
      now = now + Duration::milliseconds(10);
    }
  }
  quic::AppChannel client_channel{8192, 1024}, server_channel{8192, 1024};
  ChunkPool client_chunks{64, 1024}, server_chunks{64, 1024};
  TestHandler handler;
  TestApplication application;
  Client client{{.max_connections = 4, .max_requests = 32}, client_channel, client_chunks, handler};
  Server server{{.max_connections = 4, .max_requests = 32}, server_channel, server_chunks, application};
  Cable cable{client_channel, server_channel, GetParam()};
  Instant now = Instant::from_ns(0);
};

TEST_P(Pair, requests_are_answered_and_goodbye_is_said) {
  application.answer = [&](RequestId id) {
    static constexpr Field kFields[] = {{"content-length", "5"}};
    static constexpr uint8_t kBody[] = {'h', 'e', 'l', 'l', 'o'};
    server.respond(id, 200, kFields, 5, kBody);
  };
  run();
  ASSERT_TRUE(handler.connected);
  ASSERT_TRUE(client.settings({0, 1}));
  EXPECT_EQ(client.settings({0, 1})->max_field_section_size, 16384u);
  for (uint64_t cookie = 1; cookie <= 5; ++cookie)
    ASSERT_TRUE(client.request({0, 1}, {.authority = "a.example", .path = "/x", .cookie = cookie}));
  run();
  for (uint64_t cookie = 1; cookie <= 5; ++cookie) {
    EXPECT_EQ(handler.status[cookie], "200");
    EXPECT_EQ(handler.body[cookie], "hello");
    EXPECT_TRUE(handler.endings[cookie].is_complete);
  }
  server.shut_down(now);
  run();
  EXPECT_EQ(handler.disconnected, code(Error::kNoError));
  EXPECT_FALSE(client.request({0, 1}, {.authority = "a.example"}));
}

TEST_P(Pair, content_of_a_request_is_sent_whole) {
  static constexpr Field kFields[] = {{"content-length", "0"}};
  application.answer_at_end = [&](RequestId id) { server.respond(id, 200, kFields, 0); };
  std::vector<uint8_t> bytes(100, 'c');
  Chunk content(bytes.data(), 100, [](Chunk*) {});
  run();
  for (const uint64_t length : {1u, 100u, 2345u}) {
    ASSERT_TRUE(client.request(
        {0, 1},
        {.method = "POST", .authority = "a.example", .cookie = length, .content = &content, .content_length = length}));
    run();
    EXPECT_TRUE(handler.endings[length].is_complete);
    EXPECT_EQ(application.content.back(), length);
  }
  run();
  EXPECT_TRUE(content.is_unshared());
}

TEST_P(Pair, content_that_the_server_does_not_want_is_not_sent) {
  application.answer = [&](RequestId id) { server.respond(id, 405, {}, 0); };
  std::vector<uint8_t> bytes(100, 'c');
  Chunk content(bytes.data(), 100, [](Chunk*) {});
  run();
  ASSERT_TRUE(client.request({0, 1}, {.method = "POST",
                                      .authority = "a.example",
                                      .cookie = 1,
                                      .content = &content,
                                      .content_length = uint64_t{1} << 40}));
  run();
  EXPECT_EQ(handler.status[1], "405");
  EXPECT_TRUE(handler.endings[1].is_complete);
  EXPECT_TRUE(application.content.empty());
  EXPECT_TRUE(content.is_unshared());
}

TEST_P(Pair, a_reset_response_ends_with_its_code) {
  application.answer = [&](RequestId id) { server.fail(id); };
  run();
  ASSERT_TRUE(client.request({0, 1}, {.authority = "a.example", .cookie = 9}));
  run();
  EXPECT_TRUE(handler.endings[9].is_reset);
  EXPECT_EQ(handler.endings[9].error, code(Error::kInternalError));
}

TEST_P(Pair, a_closed_connection_ends_its_requests) {
  run();
  ASSERT_TRUE(client.request({0, 1}, {.authority = "a.example", .cookie = 9}));
  run();
  client.close({0, 1});
  run();
  EXPECT_FALSE(handler.endings[9].is_complete);
  EXPECT_TRUE(handler.disconnected);
  EXPECT_EQ(server.connections(), 0u);
  EXPECT_EQ(application.gone.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(PieceSizes, Pair, testing::Values(1, 2, 3, 7, 1200));

// What a client makes of what a server must not send.
class Misled : public testing::Test {
 protected:
  void SetUp() override {
    engine.open();
    run();
    client.request(engine.connection, {.authority = "a.example", .cookie = 1});
    run();
  }
  void TearDown() override {
    engine.close();
    run();
    engine.release_all();
    run();
  }
  void run() {
    engine.take();
    while (client.step()) engine.take();
  }
  void answer(std::string_view bytes, bool fin = true) {
    engine.data(0, bytes, fin);
    run();
  }
  FakeEngine engine;
  ChunkPool chunks{64, 1024};
  TestHandler handler;
  Client client{{.max_connections = 4, .max_requests = 8, .max_field_section = 2000}, engine.channel, chunks, handler};
};

TEST_F(Misled, by_nothing_when_interim_responses_come_first) {
  answer(headers({{":status", "103"}}) + headers({{":status", "200"}, {"content-length", "1"}}) +
         frame(FrameType::kData, "x"));
  EXPECT_TRUE(handler.endings[1].is_complete);
  EXPECT_EQ(handler.status[1], "200");
}
TEST_F(Misled, by_content_of_another_length) {
  answer(headers({{":status", "200"}, {"content-length", "2"}}) + frame(FrameType::kData, "x"));
  EXPECT_FALSE(handler.endings[1].is_complete);
  EXPECT_EQ(handler.endings[1].error, code(Error::kMessageError));
}
TEST_F(Misled, by_an_end_without_a_response) {
  answer(headers({{":status", "103"}}));
  EXPECT_FALSE(handler.endings[1].is_complete);
}
TEST_F(Misled, by_a_malformed_response) {
  answer(headers({{":status", "abc"}}), false);
  EXPECT_EQ(engine.out[0].stop_sending, code(Error::kMessageError));
}
TEST_F(Misled, by_a_response_head_beyond_its_limit) {
  const std::string value(3000, 'v');
  answer(headers({{":status", "200"}, {"x", value}}), false);
  EXPECT_EQ(engine.out[0].stop_sending, code(Error::kExcessiveLoad));
}
TEST_F(Misled, by_a_push) {
  answer(frame(FrameType::kPushPromise, varint(0)), false);
  EXPECT_EQ(engine.closed_with, code(Error::kIdError));
}
TEST_F(Misled, by_a_push_stream) {
  engine.data(3, varint(1));
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kIdError));
}
TEST_F(Misled, by_a_bidirectional_stream) {
  engine.data(1, "x");
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kStreamCreationError));
}
TEST_F(Misled, by_max_push_id) {
  engine.data(3, varint(0) + frame(FrameType::kSettings, "") + frame(FrameType::kMaxPushId, varint(0)));
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kFrameUnexpected));
}
TEST_F(Misled, by_a_goaway_of_no_request) {
  engine.data(3, varint(0) + frame(FrameType::kSettings, "") + frame(FrameType::kGoaway, varint(4)));
  run();
  EXPECT_EQ(client.goaway(engine.connection), 4u);
  engine.data(3, frame(FrameType::kGoaway, varint(3)));
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kIdError));
}

}  // namespace
}  // namespace viaduct::http3
