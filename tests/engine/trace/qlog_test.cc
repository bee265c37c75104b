// What a watched connection's log says, as those who read qlog expect it.
#include "engine/trace/qlog.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/trace/tracer.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

using Json = nlohmann::json;

std::vector<Json> parse(const std::string& text) {
  std::vector<Json> records;
  for (size_t begin = 0; begin < text.size();) {
    EXPECT_EQ(text[begin], '\x1e') << "RFC 7464 section 2.2";
    const size_t end = text.find('\n', begin);
    records.push_back(Json::parse(text.substr(begin + 1, end - begin - 1)));
    begin = end + 1;
  }
  return records;
}

class Qlog : public ::testing::Test {
 protected:
  // A connection on which the server sends so much, as its log tells it.
  std::vector<Json> log_of(size_t bytes, QlogSchema schema) {
    PairOptions options{.client = small_config(), .server = small_config()};
    options.server_tracer = &tracer;
    TwoEndpoints pair(options);
    EXPECT_TRUE(pair.handshake());
    pair.client.write(pair.client.opened[0], 0, {1}, true);
    pair.server.write(pair.accepted(), 3, std::vector<uint8_t>(bytes, 1), true);
    EXPECT_TRUE(pair.run_until([&] { return pair.client.finished[3]; }));
    pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened[0], .error = 5});
    pair.run_for(Duration::seconds(5));

    std::string text;
    std::optional<QlogWriter> writer;
    for (TraceEvent event; tracer.ring().pop(event);) {
      if (event.type == TraceType::kStarted) {
        writer.emplace(schema, event, 0);
        text += writer->head();
      }
      if (writer) writer->append(event, text);
      gone = event.type == TraceType::kGone;
    }
    sent = pair.server.stats().packets_sent;
    received = pair.server.stats().packets_received;
    return parse(text);
  }
  static std::map<std::string, size_t> names(const std::vector<Json>& records) {
    std::map<std::string, size_t> count;
    for (const Json& record : records) {
      if (record.contains("name")) ++count[record["name"]];
    }
    return count;
  }

  Tracer tracer{{.one_in = 1}, 65'536};
  bool gone = false;
  uint64_t sent = 0, received = 0;
};

TEST_F(Qlog, HasAHeadThatQvisLoads) {
  const auto records = log_of(1'000, QlogSchema::k03);
  const Json& head = records.at(0);
  EXPECT_EQ(head["qlog_version"], "0.3");
  EXPECT_EQ(head["qlog_format"], "JSON-SEQ");
  EXPECT_EQ(head["trace"]["vantage_point"]["type"], "server");
  EXPECT_EQ(head["trace"]["common_fields"]["time_format"], "relative");
  EXPECT_EQ(head["trace"]["common_fields"]["ODCID"].get<std::string>().size(), 24u);
}

TEST_F(Qlog, TellsOfEveryPacket) {
  auto count = names(log_of(100'000, QlogSchema::k03));
  EXPECT_EQ(count["transport:packet_sent"], sent);
  EXPECT_EQ(count["transport:packet_received"], received);
  EXPECT_EQ(count["transport:parameters_set"], 1u);
  EXPECT_EQ(count["connectivity:connection_started"], 1u);
  EXPECT_EQ(count["connectivity:connection_closed"], 1u);
  EXPECT_GT(count["recovery:metrics_updated"], 10u);
  EXPECT_TRUE(gone) << "so that the file is closed";
}

TEST_F(Qlog, TellsOfTheFramesInThem) {
  std::map<std::string, size_t> frames;
  uint64_t stream_bytes = 0;
  for (const Json& record : log_of(100'000, QlogSchema::k03)) {
    if (!record.contains("name") || !record["data"].contains("frames")) continue;
    EXPECT_TRUE(record["data"]["header"].contains("packet_number"));
    EXPECT_GT(record["data"]["raw"]["length"].get<int>(), 16);
    for (const Json& frame : record["data"]["frames"]) {
      ++frames[frame["frame_type"]];
      if (frame["frame_type"] == "ack" && record["name"] == "transport:packet_received") {
        ASSERT_FALSE(frame["acked_ranges"].empty());
        EXPECT_LE(frame["acked_ranges"][0][0].get<uint64_t>(), frame["acked_ranges"][0][1].get<uint64_t>());
      }
      if (frame["frame_type"] == "stream" && record["name"] == "transport:packet_sent") {
        EXPECT_EQ(frame["stream_id"], 3);
        stream_bytes += frame["length"].get<uint64_t>();
      }
    }
  }
  EXPECT_EQ(stream_bytes, 100'000u);
  for (const char* name : {"ack", "crypto", "handshake_done", "new_connection_id", "ping", "connection_close"}) {
    EXPECT_GT(frames[name], 0u) << name;
  }
}

TEST_F(Qlog, TimesAscend) {
  double last = 0;
  for (const Json& record : log_of(20'000, QlogSchema::k03)) {
    if (!record.contains("time")) continue;
    EXPECT_GE(record["time"].get<double>(), last);
    last = record["time"];
  }
  EXPECT_GT(last, 5);
}

TEST_F(Qlog, TheNewerSchemaHasItsOwnNames) {
  const auto records = log_of(1'000, QlogSchema::kNewer);
  EXPECT_EQ(records[0]["file_schema"], "urn:ietf:params:qlog:file:sequential");
  for (const auto& [name, count] : names(records)) EXPECT_TRUE(name.starts_with("quic:")) << name;
}

// --- who is watched ---

TEST(Tracer, WatchesOneInSoMany) {
  Random random = Random::from_seed(1);
  Tracer tracer({.one_in = 10}, 16);
  int watched = 0;
  for (int i = 0; i < 10'000; ++i) watched += tracer.choose(IpAddress::v4(198, 18, 0, 1), random) != 0;
  EXPECT_NEAR(watched, 1'000, 150);
}

TEST(Tracer, WatchesAllOfAnAddress) {
  Random random = Random::from_seed(1);
  Tracer tracer({.addresses = {IpAddress::v4(198, 18, 0, 7)}}, 16);
  EXPECT_EQ(tracer.choose(IpAddress::v4(198, 18, 0, 1), random), 0u);
  const uint64_t first = tracer.choose(IpAddress::v4(198, 18, 0, 7), random);
  EXPECT_NE(first, 0u);
  EXPECT_NE(tracer.choose(IpAddress::v4(198, 18, 0, 7), random), first);
}

// The data path never waits for the log.
TEST(Tracer, DropsAndCountsWhatFindsNoRoom) {
  PairOptions options{.client = small_config(), .server = small_config()};
  Tracer tracer({.one_in = 1}, 8);
  options.server_tracer = &tracer;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(tracer.ring().size(), 8u);
  EXPECT_GT(tracer.dropped(), 0u);
}

TEST(Tracer, AConnectionThatIsNotWatchedSaysNothing) {
  PairOptions options{.client = small_config(), .server = small_config()};
  Tracer tracer({}, 8);
  options.server_tracer = &tracer;
  TwoEndpoints pair(options);
  ASSERT_TRUE(pair.handshake());
  EXPECT_TRUE(tracer.ring().empty());
}

}  // namespace
}  // namespace viaduct::quic::test
