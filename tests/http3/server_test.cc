#include "tests/http3/server_fixture.h"

#include <cctype>

namespace viaduct::http3 {
namespace {

using Serving = ServerTest;
using Refusing = ServerTest;

// RFC 9204 section 4.2: who has no dynamic table needs none of QPACK's streams.
TEST_F(Serving, begins_with_settings_and_opens_nothing_that_it_would_not_use) {
  ASSERT_EQ(engine.out.size(), 1u);
  const std::string& control = engine.out[3].bytes;
  EXPECT_EQ(control.substr(0, 2), std::string("\x00\x04", 2));
  EXPECT_FALSE(engine.out[3].fin);
}

TEST_F(Serving, answers_a_request) {
  greet();
  send(0, get("/a?b"), true);
  ASSERT_EQ(application.asked.size(), 1u);
  EXPECT_EQ(application.asked[0].method, "GET");
  EXPECT_EQ(application.asked[0].path, "/a?b");
  EXPECT_EQ(application.asked[0].authority, "origin.example");
  EXPECT_EQ(response(0).status, "200");
  EXPECT_EQ(response(0).body, "ok");
  EXPECT_TRUE(engine.out[0].fin);
  EXPECT_FALSE(engine.out[0].stop_sending);
  EXPECT_EQ(engine.consumed, engine.delivered);
  EXPECT_TRUE(application.gone.empty());
  engine.release_all();
  run();
  EXPECT_EQ(application.gone.size(), 1u);
  EXPECT_EQ(count(kRequestAnswered), 1u);
  EXPECT_EQ(server.requests().used(), 0u);
}

TEST_F(Serving, answers_however_the_request_is_split) {
  const std::string bytes = frame(0x21, "grease") + get("/split") + frame(FrameType::kData, "12345") + frame(0x40, "") +
                            headers({{"trailer", "x"}});
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const uint64_t stream = (cut - 1) * 4;
    send(stream, bytes.substr(0, cut));
    send(stream, bytes.substr(cut));
    send(stream, "", true);
    ASSERT_EQ(response(stream).status, "200") << cut;
    ASSERT_FALSE(engine.out[stream].reset) << cut;
    engine.release_all();
    run();
  }
  EXPECT_FALSE(engine.closed_with);
  EXPECT_EQ(server.requests().used(), 0u);
  EXPECT_EQ(server.gathered_sections().used(), 0u);
  EXPECT_EQ(engine.consumed, engine.delivered);
}

TEST_F(Serving, answers_streams_that_come_out_of_order) {
  for (const uint64_t stream : {8u, 0u, 4u}) send(stream, get(), true);
  for (const uint64_t stream : {8u, 0u, 4u}) EXPECT_EQ(response(stream).body, "ok");
}

TEST_F(Serving, writes_a_body_in_pieces_and_only_so_far_ahead) {
  std::vector<uint8_t> bytes(100, 'x');
  Chunk body(bytes.data(), 100, [](Chunk*) {});
  application.answer = [&](RequestId id) { server.respond(id, 200, {}, 400); };
  send(0, get(), true);
  const RequestId id = application.asked[0].id;
  size_t written = 0;
  while (written < 4) {
    const size_t room = server.room(id);
    EXPECT_LE(room, limits.max_writes_ahead);
    for (size_t i = 0; i < room && written < 4; ++i, ++written) {
      body.hold();
      server.write(id, &body, 0, 100);
    }
    engine.take();
    application.writable.clear();
    engine.release_all();
    run();
    if (written < 4) {
      EXPECT_FALSE(application.writable.empty());
    }
  }
  EXPECT_EQ(response(0).body, std::string(400, 'x'));
  EXPECT_TRUE(engine.out[0].fin);
  EXPECT_TRUE(body.is_unshared());
}

TEST_F(Serving, asks_for_no_more_of_a_request_that_is_answered) {
  send(0, headers(request_fields("/", "POST")) + frame(FrameType::kData, "abc"));
  EXPECT_TRUE(engine.out[0].fin);
  EXPECT_EQ(engine.out[0].stop_sending, code(Error::kNoError));
  send(0, "whatever", true);  // what was on its way
  EXPECT_FALSE(engine.closed_with);
  EXPECT_EQ(engine.consumed, engine.delivered);
}

TEST_F(Serving, skips_unknown_streams_and_what_still_comes_on_them) {
  greet();
  send(14, varint(0x21) + std::string("\x00\x00", 2));
  EXPECT_EQ(engine.out[14].stop_sending, code(Error::kStreamCreationError));
  send(14, std::string("\x00\x02\x03", 3), true);
  engine.reset(18);
  send(22, std::string("\xc0", 1));
  engine.reset(22);  // before its type was whole
  send(26, "", true);
  EXPECT_FALSE(engine.closed_with);
  send(0, get(), true);
  EXPECT_EQ(response(0).status, "200");
}

TEST_F(Serving, reads_the_clients_streams_byte_by_byte) {
  const std::string control = varint(0) + frame(FrameType::kSettings, varint(6) + varint(100)) +
                              frame(FrameType::kMaxPushId, varint(5)) + frame(FrameType::kMaxPushId, varint(500)) +
                              frame(0x21, "grease") + frame(FrameType::kPriorityUpdateRequest, varint(0) + "u=1") +
                              frame(FrameType::kGoaway, varint(9)) + frame(FrameType::kGoaway, varint(0));
  for (const char byte : control) send(2, std::string(1, byte));
  send(6, std::string("\x02\x20\x20", 3));
  for (const char byte : std::string("\x03\x41\x7f\xff\x01", 5)) send(10, std::string(1, byte));
  EXPECT_FALSE(engine.closed_with);
}

TEST_F(Serving, gives_up_what_the_client_gives_up) {
  application.answer = nullptr;
  send(0, get(), true);
  engine.stop_sending(0);
  run();
  EXPECT_EQ(application.gone.size(), 1u);
  send(4, get());
  engine.reset(4);
  run();
  expect_reset(4, Error::kRequestCancelled);
  EXPECT_EQ(count(kRequestCancelled), 2u);
  EXPECT_EQ(server.requests().used(), 0u);
  // Answers to requests that are gone change nothing.
  EXPECT_TRUE(server.respond(application.asked[0].id, 200, {}, 0));
  EXPECT_EQ(server.room(application.asked[0].id), 0u);
}

TEST_F(Serving, resets_a_response_that_cannot_be_finished) {
  application.answer = [&](RequestId id) {
    server.respond(id, 200, {}, 400);
    server.fail(id);
  };
  send(0, get(), true);
  expect_reset(0, Error::kInternalError);
  EXPECT_EQ(count(kRequestFailed), 1u);
}

TEST_F(Serving, forgets_a_connection_with_all_its_requests) {
  application.answer = nullptr;
  send(0, get(), true);
  send(4, get().substr(0, 5));
  engine.close();
  run();
  EXPECT_EQ(application.gone.size(), 1u);
  EXPECT_EQ(count(kRequestLost), 2u);
  EXPECT_EQ(count(kConnectionEnded), 1u);
  EXPECT_EQ(server.connections(), 0u);
  EXPECT_EQ(server.requests().used(), 0u);
  EXPECT_EQ(server.gathered_sections().used(), 0u);
  engine.open();
  run();
  EXPECT_EQ(server.connections(), 1u);
}

// RFC 9114 section 5.2.
TEST_F(Serving, shuts_down_in_two_steps_and_lets_requests_finish) {
  application.answer = nullptr;
  send(0, get(), true);
  server.shut_down(now);
  run();
  const std::string first = frame(FrameType::kGoaway, varint(kMaxVarint - 3));
  EXPECT_TRUE(engine.out[3].bytes.ends_with(first));
  EXPECT_FALSE(server.deadline().is_never());
  send(4, get(), true);  // was on its way
  EXPECT_EQ(application.asked.size(), 2u);
  now = now + limits.goaway_grace;
  run();
  EXPECT_TRUE(engine.out[3].bytes.ends_with(frame(FrameType::kGoaway, varint(8))));
  EXPECT_FALSE(engine.closed_with);
  send(8, get(), true);
  expect_reset(8, Error::kRequestRejected);
  EXPECT_EQ(count(kRequestRejected), 1u);
  for (const auto& asked : application.asked) answer_ok(asked.id);
  engine.take();
  engine.release_all();
  run();
  now = now + limits.linger - Duration::milliseconds(1);
  run();
  EXPECT_EQ(count(kRequestAnswered), 2u);
  EXPECT_FALSE(engine.closed_with) << "the client may still be reading";
  now = now + Duration::milliseconds(10);
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kNoError));
  EXPECT_EQ(count(kConnectionEnded), 1u);
  // Who comes now is sent away.
  engine.connection = {4, 1};
  engine.closed_with.reset();
  engine.open();
  run();
  EXPECT_EQ(engine.closed_with, code(Error::kNoError));
  EXPECT_EQ(count(kConnectionRefused), 1u);
}

TEST_F(Refusing, requests_that_are_malformed) {
  const std::string cases[] = {
      headers({{":method", "GET"}}),
      headers({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"Upper", "x"}}),
      get() + headers({{":path", "/"}}),  // a trailer with a pseudo-field
  };
  uint64_t stream = 0;
  application.answer = nullptr;
  for (const std::string& bytes : cases) {
    send(stream, bytes, true);
    expect_reset(stream, Error::kMessageError);
    stream += 4;
  }
  auto fields = request_fields("/", "POST");
  fields.push_back({"content-length", "3"});
  send(stream, headers(fields) + frame(FrameType::kData, "abcd"));
  expect_reset(stream, Error::kMessageError);
  EXPECT_EQ(engine.out[stream].stop_sending, code(Error::kMessageError));
  send(stream + 4, headers(fields) + frame(FrameType::kData, "ab"), true);
  expect_reset(stream + 4, Error::kMessageError);
  EXPECT_EQ(count(kRequestMalformed), 5u);
  EXPECT_EQ(server.requests().used(), 0u);
}

TEST_F(Refusing, a_stream_that_ends_before_its_headers) {
  send(0, frame(0x21, "x"), true);
  expect_reset(0, Error::kRequestIncomplete);
  send(4, "", true);
  expect_reset(4, Error::kRequestIncomplete);
  EXPECT_EQ(count(kRequestIncomplete), 2u);
}

// RFC 8470 section 5.2: GET and HEAD may be repeated by anybody, others not.
TEST_F(Refusing, early_requests_that_must_not_be_repeated_with_425) {
  engine.is_early = true;
  send(0, get(), true);
  EXPECT_EQ(response(0).status, "200");
  auto fields = request_fields();
  fields[0].value = "HEAD";
  send(4, headers(fields), true);
  EXPECT_EQ(response(4).status, "200");
  fields[0].value = "POST";
  send(8, headers(fields), true);
  EXPECT_EQ(response(8).status, "425");
  EXPECT_EQ(application.asked.size(), 2u);
  // One whose beginning alone came early counts as early, too.
  const std::string post = headers(fields);
  engine.data(12, post.substr(0, 3));
  engine.is_early = false;
  send(12, post.substr(3), true);
  EXPECT_EQ(response(12).status, "425");
  send(16, post, true);
  EXPECT_EQ(response(16).status, "200");
  engine.release_all();
  run();
  EXPECT_EQ(count(kRequestTooEarly), 2u);
  EXPECT_EQ(server.requests().used(), 0u);
}

TEST_F(Refusing, header_sections_that_are_too_large_with_431) {
  const std::string value(limits.max_field_section, 'v');
  auto fields = request_fields();
  fields.push_back({"x", value});
  send(0, headers(fields), true);
  EXPECT_EQ(response(0).status, "431");
  EXPECT_EQ(response(0).body.size(), std::stoul(response(0).fields["content-length"]));
  // Small on the wire, large by RFC 9114's count: 200 fields of the static table.
  send(4, frame(FrameType::kHeaders, std::string("\x00\x00", 2) + std::string(200, '\xd1')), true);
  EXPECT_EQ(response(4).status, "431");
  // Announced larger than it will ever be sent.
  send(8, varint(1) + varint(uint64_t{1} << 40));
  engine.reset(8);
  run();
  engine.release_all();
  run();
  EXPECT_EQ(count(kRequestHeadTooLarge), 2u);
  EXPECT_TRUE(application.asked.empty());
  send(12, get(), true);
  EXPECT_EQ(response(12).status, "200");
}

TEST_F(Refusing, more_header_sections_in_pieces_than_it_gathers) {
  for (uint64_t stream = 0; stream < 16; stream += 4) send(stream, get().substr(0, 6));
  expect_reset(12, Error::kRequestRejected);
  EXPECT_EQ(count(kRequestRejected), 1u);
  send(0, get().substr(6), true);
  EXPECT_EQ(response(0).status, "200");
}

TEST_F(Refusing, more_requests_than_a_connection_may_have) {
  application.answer = nullptr;
  for (uint64_t i = 0; i < 9; ++i) send(i * 4, get(), true);
  expect_reset(32, Error::kRequestRejected);
  EXPECT_EQ(application.asked.size(), 8u);
}

TEST_F(Refusing, answers_when_it_has_no_memory_only_later) {
  std::vector<PooledChunk*> taken;
  while (PooledChunk* chunk = chunks.acquire()) taken.push_back(chunk);
  application.answer = nullptr;
  send(0, get(), true);
  EXPECT_FALSE(server.respond(application.asked[0].id, 200, {}, 0));
  for (PooledChunk* chunk : taken) chunk->drop();
  EXPECT_TRUE(server.respond(application.asked[0].id, 200, {}, 0));
  engine.take();
  EXPECT_TRUE(engine.out[0].fin);
}

struct ErrorCase {
  const char* what;
  Error error;
  std::function<void(FakeEngine&)> play;  // after greet()
};
std::string bytes_of(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

const ErrorCase kErrors[] = {
    {"DATA before HEADERS", Error::kFrameUnexpected, [](auto& e) { e.data(0, frame(FrameType::kData, "x")); }},
    {"HEADERS after the trailer", Error::kFrameUnexpected,
     [](auto& e) { e.data(0, get() + headers({{"a", "b"}}) + headers({{"a", "b"}})); }},
    {"DATA after the trailer", Error::kFrameUnexpected,
     [](auto& e) { e.data(0, get() + headers({{"a", "b"}}) + frame(FrameType::kData, "x")); }},
    {"SETTINGS on a request", Error::kFrameUnexpected, [](auto& e) { e.data(0, frame(FrameType::kSettings, "")); }},
    {"GOAWAY on a request", Error::kFrameUnexpected, [](auto& e) { e.data(0, frame(FrameType::kGoaway, varint(0))); }},
    {"MAX_PUSH_ID on a request", Error::kFrameUnexpected,
     [](auto& e) { e.data(0, frame(FrameType::kMaxPushId, varint(0))); }},
    {"CANCEL_PUSH on a request", Error::kFrameUnexpected,
     [](auto& e) { e.data(0, frame(FrameType::kCancelPush, varint(0))); }},
    {"PUSH_PROMISE from a client", Error::kFrameUnexpected,
     [](auto& e) { e.data(0, frame(FrameType::kPushPromise, varint(0))); }},
    {"HTTP/2's PRIORITY", Error::kFrameUnexpected, [](auto& e) { e.data(0, frame(0x02, "")); }},
    {"HTTP/2's PING", Error::kFrameUnexpected, [](auto& e) { e.data(0, frame(0x06, "")); }},
    {"HTTP/2's WINDOW_UPDATE", Error::kFrameUnexpected, [](auto& e) { e.data(2, frame(0x08, "")); }},
    {"HTTP/2's CONTINUATION", Error::kFrameUnexpected, [](auto& e) { e.data(2, frame(0x09, "")); }},
    {"DATA on control", Error::kFrameUnexpected, [](auto& e) { e.data(2, frame(FrameType::kData, "")); }},
    {"HEADERS on control", Error::kFrameUnexpected, [](auto& e) { e.data(2, get()); }},
    {"a second SETTINGS", Error::kFrameUnexpected, [](auto& e) { e.data(2, frame(FrameType::kSettings, "")); }},
    {"the end within a frame", Error::kFrameError, [](auto& e) { e.data(0, get() + bytes_of({0, 5, 'x'}), true); }},
    {"the end within a frame's header", Error::kFrameError, [](auto& e) { e.data(0, bytes_of({0x40}), true); }},
    {"GOAWAY without its id", Error::kFrameError, [](auto& e) { e.data(2, frame(FrameType::kGoaway, "")); }},
    {"GOAWAY with more than its id", Error::kFrameError,
     [](auto& e) { e.data(2, frame(FrameType::kGoaway, varint(0) + "x")); }},
    {"GOAWAY with half an id", Error::kFrameError,
     [](auto& e) { e.data(2, frame(FrameType::kGoaway, bytes_of({0x40}))); }},
    {"a GOAWAY that grows", Error::kIdError,
     [](auto& e) { e.data(2, frame(FrameType::kGoaway, varint(1)) + frame(FrameType::kGoaway, varint(2))); }},
    {"a MAX_PUSH_ID that shrinks", Error::kIdError,
     [](auto& e) { e.data(2, frame(FrameType::kMaxPushId, varint(2)) + frame(FrameType::kMaxPushId, varint(1))); }},
    {"CANCEL_PUSH of no promise", Error::kIdError,
     [](auto& e) { e.data(2, frame(FrameType::kCancelPush, varint(0))); }},
    {"PRIORITY_UPDATE of no request", Error::kIdError,
     [](auto& e) { e.data(2, frame(FrameType::kPriorityUpdateRequest, varint(1))); }},
    {"PRIORITY_UPDATE of a push", Error::kIdError,
     [](auto& e) { e.data(2, frame(FrameType::kPriorityUpdatePush, varint(0))); }},
    {"a PRIORITY_UPDATE without an id", Error::kFrameError,
     [](auto& e) { e.data(2, frame(FrameType::kPriorityUpdateRequest, "")); }},
    {"a huge PRIORITY_UPDATE", Error::kExcessiveLoad,
     [](auto& e) { e.data(2, frame(FrameType::kPriorityUpdateRequest, varint(0) + std::string(2000, 'u'))); }},
    {"a second control stream", Error::kStreamCreationError, [](auto& e) { e.data(14, varint(0)); }},
    {"a second encoder stream", Error::kStreamCreationError, [](auto& e) { e.data(14, varint(2)); }},
    {"a second decoder stream", Error::kStreamCreationError, [](auto& e) { e.data(14, varint(3)); }},
    {"a push stream from a client", Error::kStreamCreationError, [](auto& e) { e.data(14, varint(1)); }},
    {"the control stream ends", Error::kClosedCriticalStream, [](auto& e) { e.data(2, "", true); }},
    {"the control stream is reset", Error::kClosedCriticalStream, [](auto& e) { e.reset(2); }},
    {"the encoder stream ends", Error::kClosedCriticalStream, [](auto& e) { e.data(6, "", true); }},
    {"the decoder stream is reset", Error::kClosedCriticalStream, [](auto& e) { e.reset(10); }},
    {"our control stream is refused", Error::kClosedCriticalStream, [](auto& e) { e.stop_sending(3); }},
    {"our encoder stream is refused", Error::kClosedCriticalStream, [](auto& e) { e.stop_sending(7); }},
    {"a field section that cannot be decoded", Error::kQpackDecompressionFailed,
     [](auto& e) { e.data(0, frame(FrameType::kHeaders, bytes_of({0x03, 0x81, 0x10, 0x11}))); }},
    {"an empty field section", Error::kQpackDecompressionFailed,
     [](auto& e) { e.data(0, frame(FrameType::kHeaders, "")); }},
    {"a trailer that cannot be decoded", Error::kQpackDecompressionFailed,
     [](auto& e) { e.data(0, get() + frame(FrameType::kHeaders, "\xff")); }},
    {"an insertion into the table of size 0", Error::kQpackEncoderStreamError,
     [](auto& e) { e.data(6, bytes_of({0x41, 'a', 0x00})); }},
    {"a capacity above ours", Error::kQpackEncoderStreamError,
     [](auto& e) { e.data(6, bytes_of({0x3f, 0xbd, 0x01})); }},
    {"an acknowledgement of no section", Error::kQpackDecoderStreamError,
     [](auto& e) { e.data(10, bytes_of({0x84})); }},
    {"an increment by nothing inserted", Error::kQpackDecoderStreamError,
     [](auto& e) { e.data(10, bytes_of({0x01})); }},
    {"an instruction that does not end", Error::kQpackDecoderStreamError,
     [](auto& e) { e.data(10, bytes_of({0x7f}) + std::string(20, '\xff')); }},
    {"a flood of frames that say nothing", Error::kExcessiveLoad,
     [](auto& e) {
       std::string flood = get();
       for (int i = 0; i < 1100; ++i) flood += frame(FrameType::kData, "");
       e.data(0, flood);
     }},
    {"a flood of unknown frames on control", Error::kExcessiveLoad,
     [](auto& e) {
       std::string flood;
       for (int i = 0; i < 1100; ++i) flood += frame(0x21, "");
       e.data(2, flood);
     }},
    {"streams whose type does not come", Error::kExcessiveLoad,
     [](auto& e) {
       for (uint64_t stream = 14; stream < 14 + 4 * 5; stream += 4) e.data(stream, "\x40");
     }},
    {"a stream far beyond those before", Error::kExcessiveLoad, [](auto& e) { e.data(4000, get()); }},
};

class ConnectionErrors : public ServerTest, public testing::WithParamInterface<ErrorCase> {};

TEST_P(ConnectionErrors, close_the_connection_with_the_code_of_the_rfc) {
  greet();
  application.answer = nullptr;
  GetParam().play(engine);
  run();
  expect_closed(GetParam().error);
  EXPECT_EQ(server.requests().used(), 0u);
  // Nothing that still comes matters.
  send(0, "\x01\x02\x03", true);
  EXPECT_EQ(engine.consumed, engine.delivered);
}
std::string name_of(const testing::TestParamInfo<ErrorCase>& given) {
  std::string name = given.param.what;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(Rfc9114, ConnectionErrors, testing::ValuesIn(kErrors), name_of);

using FirstFrame = ServerTest;
TEST_F(FirstFrame, on_control_must_be_settings) {
  send(2, varint(0) + frame(FrameType::kGoaway, varint(0)));
  expect_closed(Error::kMissingSettings);
}
TEST_F(FirstFrame, with_a_forbidden_setting) {
  send(2, varint(0) + frame(FrameType::kSettings, varint(2) + varint(0)));
  expect_closed(Error::kSettingsError);
}
TEST_F(FirstFrame, settings_cut_off) {
  send(2, varint(0) + frame(FrameType::kSettings, varint(6)));
  expect_closed(Error::kFrameError);
}
TEST_F(FirstFrame, settings_beyond_measure) {
  send(2, varint(0) + varint(4) + varint(100'000));
  expect_closed(Error::kExcessiveLoad);
}

}  // namespace
}  // namespace viaduct::http3
