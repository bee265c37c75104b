// Requests that are answered as others before them.
#include "tests/http3/server_fixture.h"

namespace viaduct::http3 {
namespace {

class Repeating : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    greet();
    application.answer = [this](RequestId id) {
      static constexpr uint8_t kBody[] = {'o', 'k'};
      server.respond(id, 200, {}, 2, kBody, &terms);
    };
  }
  // Sends the request on the next stream, whole; whether the application was asked about it.
  bool is_asked(std::string_view bytes) {
    const size_t before = application.asked.size();
    const uint64_t stream = next;
    next += 4;
    send(stream, bytes, true);
    EXPECT_EQ(response(stream).status, "200");
    EXPECT_EQ(response(stream).body, "ok");
    EXPECT_TRUE(engine.out[stream].fin);
    return application.asked.size() > before;
  }

  Repeatable terms{now + Duration::seconds(1), 77};
  uint64_t next = 0;
};

TEST_F(Repeating, answers_the_same_to_the_same) {
  EXPECT_TRUE(is_asked(get("/a")));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(is_asked(get("/a")));
  EXPECT_TRUE(is_asked(get("/b")));
  EXPECT_TRUE(is_asked(headers(request_fields("/a", "HEAD"))));
  EXPECT_EQ(application.repeated, std::vector<uint64_t>(20, 77));
  EXPECT_EQ(engine.consumed, engine.delivered);
  EXPECT_EQ(server.requests().used(), 3u) << "a repeated answer needs no state";
  engine.release_all();
  run();
  EXPECT_EQ(count(kRequestAnswered), 23u);
}

// Those that are under way are requests under way: the limit of all connections holds for them, too.
TEST_F(Repeating, counts_until_it_is_delivered) {
  EXPECT_TRUE(is_asked(get()));
  for (int i = 1; i < 64; ++i) EXPECT_FALSE(is_asked(get()));
  send(next, get(), true);
  EXPECT_EQ(engine.out[next].reset, code(Error::kRequestRejected));
  EXPECT_EQ(count(kRequestRejected), 1u);
  next += 4;
  engine.release_all();
  run();
  EXPECT_FALSE(is_asked(get()));
}

TEST_F(Repeating, counts_no_longer_than_its_connection) {
  EXPECT_TRUE(is_asked(get()));
  for (int i = 1; i < 64; ++i) EXPECT_FALSE(is_asked(get()));
  engine.close();
  run();
  engine.connection = {4, 1};
  engine.open();
  run();
  next = 0;
  engine.out.clear();
  EXPECT_FALSE(is_asked(get()));
  EXPECT_EQ(count(kRequestRejected), 0u);
}

TEST_F(Repeating, is_for_every_connection) {
  EXPECT_TRUE(is_asked(get()));
  engine.connection = {4, 1};
  engine.open();
  run();
  next = 0;
  engine.out.clear();
  EXPECT_FALSE(is_asked(get()));
  engine.close();
  run();
  engine.connection = {3, 1};
}

TEST_F(Repeating, ends_with_its_time_or_when_told) {
  EXPECT_TRUE(is_asked(get()));
  EXPECT_FALSE(is_asked(get()));
  server.forget_answers();
  EXPECT_TRUE(is_asked(get()));
  EXPECT_FALSE(is_asked(get()));
  now = terms.until;
  EXPECT_TRUE(is_asked(get()));
  EXPECT_TRUE(is_asked(get()));
}

TEST_F(Repeating, is_not_for_what_the_application_did_not_say) {
  application.answer = [this](RequestId id) { answer_ok(id); };
  EXPECT_TRUE(is_asked(get()));
  EXPECT_TRUE(is_asked(get()));
}

// What is remembered is an answer to a GET or HEAD without content, and only such a request gets it.
TEST_F(Repeating, is_not_for_requests_with_content) {
  const std::string post = headers(request_fields("/", "POST"));
  EXPECT_TRUE(is_asked(post));
  EXPECT_TRUE(is_asked(post));
  auto fields = request_fields();
  fields.push_back({"content-length", "3"});
  const std::string with_content = headers(fields) + frame(FrameType::kData, "abc");
  EXPECT_TRUE(is_asked(with_content));
  EXPECT_TRUE(is_asked(with_content));
  EXPECT_TRUE(is_asked(get()));
  EXPECT_TRUE(is_asked(get() + frame(FrameType::kData, "abc"))) << "to be read to its end";
}

TEST_F(Repeating, does_not_need_the_first_request_whole) {
  const std::string request = get();
  send(0, request);
  EXPECT_EQ(application.asked.size(), 1u);
  send(0, "", true);
  next = 4;
  EXPECT_FALSE(is_asked(request));
  send(8, request);
  EXPECT_EQ(application.asked.size(), 2u) << "its end may be long in coming";
  send(8, "", true);
  EXPECT_EQ(response(8).body, "ok");
}

TEST_F(Repeating, leaves_what_the_client_gave_up) {
  EXPECT_TRUE(is_asked(get()));
  engine.stop_sending(4);
  run();
  send(4, get(), true);
  EXPECT_TRUE(engine.out[4].bytes.empty());
  next = 8;
  EXPECT_FALSE(is_asked(get()));
  engine.stop_sending(8);
  engine.reset(8);
  run();
  EXPECT_FALSE(engine.closed_with);
}

TEST_F(Repeating, goes_on_while_streams_come_out_of_order) {
  EXPECT_TRUE(is_asked(get()));
  send(8, get(), true);
  send(4, get(), true);
  EXPECT_EQ(response(8).body, "ok");
  EXPECT_EQ(response(4).body, "ok");
  next = 12;
  EXPECT_FALSE(is_asked(get()));
}

// RFC 9114 section 5.2: what was answered is to arrive before the connection is closed.
TEST_F(Repeating, is_waited_for_at_the_end) {
  EXPECT_TRUE(is_asked(get()));
  EXPECT_FALSE(is_asked(get()));
  server.shut_down(now);
  run();
  terms.until = now + Duration::seconds(60);
  now = now + limits.goaway_grace;
  run();
  send(8, get(), true);
  expect_reset(8, Error::kRequestRejected);
  now = now + limits.linger * 2;
  run();
  EXPECT_FALSE(engine.closed_with) << "nobody has acknowledged the answers";
  engine.release_all();
  run();
  EXPECT_FALSE(engine.closed_with);
  now = now + limits.linger + Duration::milliseconds(10);
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kNoError));
}

}  // namespace
}  // namespace viaduct::http3
