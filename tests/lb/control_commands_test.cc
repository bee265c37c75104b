// The commands of the control socket, as a client sees them.
#include "apps/lb/control_commands.h"
#include "apps/settings/hex.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/lb/fake_target.h"

namespace viaduct::lb {
namespace {

using Json = nlohmann::json;
using test::configuration_of;
using test::FakeTarget;
using test::id_of;
using test::long_packet;
using test::short_packet;

struct Commands {
  Json ask(const Json& request) { return Json::parse(commands.answer(request.dump())); }
  std::string error(const Json& request) {
    const Json answer = ask(request);
    EXPECT_FALSE(answer["ok"].get<bool>()) << answer;
    return answer["errors"].empty() ? "" : answer["errors"][0].get<std::string>();
  }
  Json rows(const char* what) { return ask({{"command", "show"}, {"what", what}})["rows"]; }

  FakeTarget target{configuration_of(2)};
  Controller controller{target, target.file};
  ControlCommands commands{controller, target};
};

TEST(ControlCommands, ShowWhatIsThere) {
  Commands it;
  for (int i = 0; i < 3; ++i) it.target.balancer().send4(short_packet(id_of(2)));
  const Json services = it.rows("services");
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[0]["address"], "192.0.2.1:443");
  EXPECT_EQ(services[0]["active"], 2);
  const Json backends = it.rows("backends");
  ASSERT_EQ(backends.size(), 2u);
  EXPECT_EQ(backends[1]["backend"], "web/s2");
  EXPECT_EQ(backends[1]["packets"]["connection-id"], 3);
  EXPECT_EQ(backends[0]["packets"]["connection-id"], 0);
  EXPECT_GT(backends[1]["bytes"], 0);
  EXPECT_NEAR(backends[0]["share"].get<double>() + backends[1]["share"].get<double>(), 1, 1e-9);
  EXPECT_EQ(backends[1]["server_ids"][0], "0:aa0002");
  EXPECT_EQ(backends[0]["health"]["answered"], 8);
  EXPECT_FALSE(backends[1].contains("health"));
  const Json configurations = it.rows("configurations");
  EXPECT_EQ(configurations[0]["packets"], 3);
  EXPECT_EQ(configurations[0]["last_seen_seconds"], 0.0);
  EXPECT_GE(it.rows("tables")[0]["capacity"], 1000);
  EXPECT_EQ(it.rows("workers")[0]["verdicts"]["lb-routed-by-id"], 3);
}

TEST(ControlCommands, ShowWhyABackendIsNotActive) {
  Commands it;
  EXPECT_EQ(it.rows("backends")[0]["because_of"], "file");
  EXPECT_TRUE(it.ask({{"command", "drain"}, {"backend", "web/s1"}, {"state", "draining"}})["ok"].get<bool>());
  EXPECT_EQ(it.rows("backends")[0]["state"], "draining");
  EXPECT_EQ(it.rows("backends")[0]["because_of"], "operator");
  EXPECT_TRUE(it.ask({{"command", "drain"}, {"backend", "web/s1"}, {"state", "file"}})["ok"].get<bool>());
  it.controller.set_healthy("web/s1", false);
  EXPECT_EQ(it.rows("backends")[0]["state"], "down");
  EXPECT_EQ(it.rows("backends")[0]["because_of"], "health");
}

TEST(ControlCommands, PlanThenApply) {
  Commands it;
  const Json plan = it.ask({{"command", "plan"}, {"backend", "web/s1"}, {"weight", 0}});
  EXPECT_NEAR(plan["pools"][0]["moved"].get<double>(), 0.5, 0.02);
  EXPECT_EQ(plan["pools"][0]["backends"][0]["after"], 0.0);
  EXPECT_TRUE(it.ask({{"command", "apply"}, {"backend", "web/s1"}, {"weight", 0}})["ok"].get<bool>());
  EXPECT_EQ(it.rows("backends")[0]["share"], 0.0);
  it.target.file = configuration_of(3);
  EXPECT_GT(it.ask({{"command", "plan"}})["pools"][0]["moved"], 0.4);
  EXPECT_TRUE(it.ask({{"command", "apply"}})["ok"].get<bool>());
  EXPECT_EQ(it.rows("backends").size(), 3u);
  EXPECT_EQ(it.error({{"command", "apply"}, {"file", "/x.toml"}}), "/x.toml: cannot be read");
}

TEST(ControlCommands, RotateTellsWhenTheOldOneIsUnseen) {
  Commands it;
  const Json add = {{"id", 3},
                    {"server_id_length", 8},
                    {"nonce_length", 8},
                    {"key", "8f95f09245765f80256934e50c66207f"},
                    {"servers", {{"web/s1", "0102030405060708"}, {"web/s2", "0102030405060709"}}}};
  EXPECT_TRUE(it.ask({{"command", "rotate"}, {"add", add}})["ok"].get<bool>());
  EXPECT_EQ(it.rows("configurations")[1]["cipher"], "single-pass");
  it.target.balancer().send4(short_packet(id_of(1)));
  it.target.balancer().pass(Duration::seconds(30));
  EXPECT_FALSE(it.ask({{"command", "rotate"}, {"status", 0}, {"unseen_seconds", 31}})["is_unseen"].get<bool>());
  EXPECT_EQ(it.error({{"command", "rotate"}, {"remove", 0}, {"unseen_seconds", 31}}),
            "configuration 0 is known to be unseen for 30.0 s only");
  EXPECT_TRUE(it.ask({{"command", "rotate"}, {"status", 0}, {"unseen_seconds", 30}})["is_unseen"].get<bool>());
  EXPECT_TRUE(it.ask({{"command", "rotate"}, {"remove", 0}, {"unseen_seconds", 30}})["ok"].get<bool>());
  EXPECT_EQ(it.rows("configurations").size(), 1u);
}

std::string explained(Commands& it, const test::Frame& quic) {
  const test::Frame frame = test::FrameBuilder()
                                .eth(test::kOurMac, test::kRouterMac)
                                .ipv4(test::kClient4, test::kVip4)
                                .udp(5000, 443)
                                .payload(quic)
                                .build();
  const Json answer = it.ask({{"command", "explain"}, {"frame", settings::hex(frame)}});
  std::string text;
  for (const Json& step : answer["workers"][0]["steps"]) text += step.get<std::string>() + "\n";
  return text;
}

TEST(ControlCommands, ExplainSaysEachStep) {
  Commands it;
  const std::string by_id = explained(it, short_packet(id_of(2)));
  EXPECT_NE(by_id.find("service four"), std::string::npos) << by_id;
  EXPECT_NE(by_id.find("configuration 0 (plaintext), server id aa0002: web/s2"), std::string::npos) << by_id;
  EXPECT_NE(by_id.find("lb-routed-by-id"), std::string::npos) << by_id;
  const test::Frame client_id = {0xe7, 1, 2, 3, 4, 5, 6, 7}, scid = {9, 9};
  const std::string fresh = explained(it, long_packet(client_id, scid));
  EXPECT_NE(fresh.find("configuration 7 says nothing"), std::string::npos) << fresh;
  EXPECT_NE(fresh.find("table-by-scid: does not know it"), std::string::npos) << fresh;
  EXPECT_NE(fresh.find("hash: the addresses' place is web/s"), std::string::npos) << fresh;
  it.target.balancer().send4(long_packet(client_id, scid));
  const std::string known = explained(it, long_packet(client_id, scid));
  EXPECT_NE(known.find("table-by-scid: knows the flow"), std::string::npos) << known;
  EXPECT_NE(explained(it, short_packet({0x67, 1})).find("configuration 3 is not in use"), std::string::npos);
  EXPECT_NE(explained(it, long_packet({0x07, 1}, scid)).find("needs 8 bytes; there are 2"), std::string::npos);
  EXPECT_NE(explained(it, short_packet(id_of(9))).find("no server that is up has it"), std::string::npos);
}

TEST(ControlCommands, CaptureIsHandedOn) {
  Commands it;
  const Json answer = it.ask({{"command", "capture"}, {"file", "/tmp/x.pcapng"}, {"seconds", 2}});
  EXPECT_EQ(it.target.captured, "/tmp/x.pcapng 2000");
  EXPECT_EQ(answer["written"], 3);
}

TEST(ControlCommands, SayWhatWasExpected) {
  Commands it;
  const Json garbage = Json::parse(it.commands.answer("{\"command\": \xff"));
  EXPECT_FALSE(garbage["ok"].get<bool>());
  EXPECT_NE(it.error(Json::array({1})).find("JSON object"), std::string::npos);
  EXPECT_NE(it.error({{"command", 7}}).find("command: expected a text"), std::string::npos);
  EXPECT_NE(it.error({{"command", "reboot"}}).find("'reboot'"), std::string::npos);
  EXPECT_NE(it.error({{"command", "show"}, {"what", "money"}}).find("services, backends"), std::string::npos);
  EXPECT_NE(it.error({{"command", "drain"}, {"backend", "web/s1"}, {"state", "tired"}}).find("state: expected"),
            std::string::npos);
  EXPECT_NE(it.error({{"command", "apply"}, {"backend", "web/s1"}, {"weight", -1}}).find("0 to 10000"),
            std::string::npos);
  EXPECT_NE(it.error({{"command", "explain"}, {"frame", "abc"}}).find("hexadecimal"), std::string::npos);
  EXPECT_NE(it.error({{"command", "capture"}, {"file", "x"}, {"seconds", 0}}).find("1 to 86400"), std::string::npos);
  EXPECT_NE(it.error({{"command", "rotate"}, {"add", {{"id", 7}}}}).find("0 to 6"), std::string::npos);
  EXPECT_NE(it.error({{"command", "rotate"}, {"status", 0}}).find("unseen_seconds"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::lb
