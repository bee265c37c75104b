#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "apps/lb/config_file.h"
#include "apps/lb/routing_snapshot.h"
#include "apps/lb/slow_start.h"
#include "tests/lb/fixture.h"
#include "tests/support/instants.h"

namespace viaduct::lb {
namespace {

const std::string kGood = R"(hash_key = "000102030405060708090a0b0c0d0e0f"
spread = "hand-off"
workers = 2

[[port]]
driver = "af_packet"
interface = "veth0"
addresses = ["10.0.0.254/24"]

[[service]]
name = "web"
addresses = ["192.0.2.1:443", "[2001:db8::1]:443"]
pool = "main"

[[pool]]
name = "main"
slow_start = "10s"

[[pool.backend]]
name = "s1"
address = "10.0.0.1"
forwarding = "gue"
weight = 50
server_ids = ["3:c0ffee01"]

[[pool.backend]]
name = "s2"
address = "10.0.0.2:4433"
forwarding = "nat"
state = "draining"
mac = "02:00:5e:00:53:01"

[[quic_lb]]
id = 3
server_id_length = 4
nonce_length = 12
key = "8f95f09245765f80256934e50c66207f"

[flow_state]
timeout = "120s"

[limits]
new_flows_per_second = 1000

[retry]
key = "30313233343536373839303132333435"
iv = "313233343536373839303132"

[[retry.accepted]]
key_sequence = 1
key = "40313233343536373839303132333435"
iv = "413233343536373839303132"
)";

std::string errors_of(const std::string& text) {
  const auto config = parse_config(text, "lb.toml");
  std::string all;
  if (config) return all;
  for (const std::string& line : config.error()) all += line + "\n";
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(LbConfig, SaysWhatIsToBe) {
  const auto config = parse_config(kGood, "lb.toml");
  ASSERT_TRUE(config) << errors_of(kGood);
  EXPECT_TRUE(config->hand_off);
  EXPECT_EQ(config->port.device.queues, 2u);
  const Configuration& routing = config->routing;
  EXPECT_EQ(routing.hash_key[15], 0x0f);
  ASSERT_EQ(routing.services.size(), 1u);
  EXPECT_EQ(routing.services[0].addresses[1], *SocketAddress::parse("[2001:db8::1]:443"));
  ASSERT_EQ(routing.pools.size(), 1u);
  EXPECT_EQ(routing.pools[0].slow_start, Duration::seconds(10));
  const BackendConfig& first = routing.pools[0].backends[0];
  EXPECT_EQ(first.forwarding, Forwarding::kGue);
  EXPECT_EQ(first.weight, 50u);
  EXPECT_EQ(first.server_ids[0].config_id, 3);
  EXPECT_EQ(first.server_ids[0].bytes, flowsteer::from_hex("c0ffee01"));
  const BackendConfig& second = routing.pools[0].backends[1];
  EXPECT_EQ(second.address, *SocketAddress::parse("10.0.0.2:4433"));
  EXPECT_EQ(second.state, BackendState::kDraining);
  EXPECT_EQ(second.mac->to_string(), "02:00:5e:00:53:01");
  EXPECT_TRUE(routing.quic_lb[0].key);
  EXPECT_EQ(routing.limits.per_second, 1000u);
  EXPECT_EQ(routing.retry->iv[0], 0x31);
  ASSERT_EQ(routing.retry->keys().size(), 2u);
  EXPECT_EQ(routing.retry->keys()[1].sequence, 1);
  EXPECT_EQ(routing.retry->keys()[1].key[0], 0x40);
  EXPECT_EQ(routing.retry->keys()[1].iv[0], 0x41);
}

TEST(LbConfig, SaysWhoIsAskedAndWhereTheControlSocketIs) {
  const auto config = parse_config(kGood + R"([control]
socket = "/run/lb.sock"
[pool.health]
interval = "5s"
fall = 7
)",
                                   "lb.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->control_socket, "/run/lb.sock");
  ASSERT_TRUE(config->routing.pools[0].health);
  EXPECT_EQ(config->routing.pools[0].health->interval, Duration::seconds(5));
  EXPECT_EQ(config->routing.pools[0].health->fall, 7u);
  const auto plain = parse_config(kGood, "lb.toml");
  EXPECT_FALSE(plain->routing.pools[0].health);
  EXPECT_TRUE(plain->control_socket.empty());
  EXPECT_NE(errors_of(kGood + "[pool.health]\ninterval = \"1s\"\ntimeout = \"2s\"\n").find("no more than the interval"),
            std::string::npos);
}

TEST(Config, says_what_servers_are_asked_by_http3) {
  const auto with = [](const std::string& lines) { return kGood + "[pool.health]\n" + lines; };
  const auto config =
      parse_config(with("check = \"http3\"\nhost = \"www.example.org\"\npath = \"/up\"\nstatus = \"204\"\n"
                        "insecure = true\nca_file = \"" EXAMPLE_FILE "\"\n"),
                   "lb.toml");
  ASSERT_TRUE(config) << config.error().front();
  const Http3Question expected{.host = "www.example.org",
                               .path = "/up",
                               .least_status = 204,
                               .most_status = 204,
                               .ca_file = EXAMPLE_FILE,
                               .insecure = true};
  EXPECT_EQ(config->routing.pools[0].health->http3, expected);
  const auto usual = parse_config(with("check = \"http3\"\nhost = \"a\"\n"), "lb.toml");
  EXPECT_EQ(usual->routing.pools[0].health->http3, Http3Question{.host = "a"});
  EXPECT_FALSE(parse_config(with("check = \"version-negotiation\"\n"), "lb.toml")->routing.pools[0].health->http3);

  const auto errors = [&](const std::string& lines) { return errors_of(with(lines)); };
  EXPECT_NE(errors("check = \"http\"\n").find("pool.health.check: expected one of \"version-negotiation\", \"http3\""),
            std::string::npos)
      << errors("check = \"http\"\n");
  EXPECT_NE(errors("check = \"http3\"\n").find("host"), std::string::npos);
  EXPECT_NE(errors("check = \"http3\"\nhost = \"\"\n").find("pool.health.host: expected the name"), std::string::npos);
  EXPECT_NE(errors("check = \"http3\"\nhost = \"a.example:8443\"\n").find("without a port"), std::string::npos);
  const auto literal = parse_config(with("check = \"http3\"\nhost = \"[2001:db8::1]\"\n"), "lb.toml");
  EXPECT_EQ(literal->routing.pools[0].health->http3->host, "2001:db8::1");
  EXPECT_NE(errors("path = \"/\"\n").find("pool.health.path: expected with check = \"http3\" alone"),
            std::string::npos);
  const std::string good = "check = \"http3\"\nhost = \"a\"\n";
  EXPECT_NE(errors(good + "path = \"up\"\n").find("pool.health.path: expected a path"), std::string::npos);
  for (const char* status : {"", "199", "600", "300-200", "200-", "-300", "2xx", "200-300-400"})
    EXPECT_NE(errors(good + "status = \"" + status + "\"\n").find("expected a status or a range"), std::string::npos)
        << status;
  EXPECT_NE(errors(good + "ca_file = \"/none.pem\"\n").find("pool.health.ca_file: expected a file that can be read"),
            std::string::npos);
}

TEST(LbConfig, AcceptsTheExample) {
  std::ifstream in(EXAMPLE_FILE);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(errors_of(text), "");
}

// Each names the line and says what was expected.
TEST(LbConfig, RefusesWhatCannotBe) {
  const auto expect = [](const std::string& from, const std::string& to, const std::string& error) {
    EXPECT_EQ(errors_of(replaced(kGood, from, to)), error + "\n") << to;
  };
  expect("weight = 50", "weight = 50000",
         "lb.toml:23: pool.backend.weight: expected a whole number from 0 to 10000, not 50000");
  expect("\"gue\"", "\"gre\"",
         "lb.toml:22: pool.backend.forwarding: expected one of \"direct\", \"ip-in-ip\", \"gue\", \"nat\", not 'gre'");
  expect("\"3:c0ffee01\"", "\"c0ffee01\"",
         "lb.toml:24: pool.backend.server_ids: expected a configuration and a server id in hexadecimal, like "
         "\"0:c0ffee\", not 'c0ffee01'");
  expect("\"10.0.0.1\"", "\"ten\"",
         "lb.toml:21: pool.backend.address: expected an address, like \"10.0.0.1\", or one with a port, like "
         "\"10.0.0.1:4433\", not 'ten'");
  expect("192.0.2.1:443", "192.0.2.1",
         "lb.toml:12: service.addresses: expected an address with a port, like \"192.0.2.1:443\", not '192.0.2.1'");
  expect("timeout = \"120s\"", "timeout = \"119s\"",
         "lb.toml:40: flow_state.timeout: expected a time from \"120s\" to \"86400s\", not '119s'");
  expect("8f95f09245765f80256934e50c66207f", "8f95",
         "lb.toml:37: quic_lb.key: expected 32 hexadecimal digits, not '8f95'");
  expect("spread", "spraed", "lb.toml:2: spraed: unknown key; did you mean 'spread'?");
}

// What one part of the file says about another is told at the line of that part.
TEST(LbConfig, ChecksThePartsAgainstEachOther) {
  EXPECT_EQ(errors_of(replaced(kGood, "pool = \"main\"", "pool = \"mian\"")),
            "lb.toml:13: service web: there is no pool \"mian\"\n");
  EXPECT_EQ(errors_of(replaced(kGood, "3:c0ffee01", "3:c0ffee")),
            "lb.toml:19: backend main/s1: a server id of configuration 3 has 3 bytes instead of 4\n");
  EXPECT_EQ(errors_of(replaced(kGood, "3:c0ffee01", "2:c0ffee01")),
            "lb.toml:19: backend main/s1: a server id is of configuration 2, which is not there\n");
  EXPECT_EQ(errors_of(replaced(kGood, "nonce_length = 12", "nonce_length = 16")),
            "lb.toml:33: quic_lb 3: server id and nonce together must have at most 19 bytes\n");
}

std::vector<std::string> problems(const Configuration& configuration) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems_of(configuration)) texts.push_back(problem.to_string());
  return texts;
}

TEST(Problems, AreNoneInWhatIsFine) { EXPECT_TRUE(problems(test::configuration_of(3)).empty()); }

TEST(Problems, NameWhatTheyAreAbout) {
  const auto expect = [](const std::function<void(Configuration&)>& change, const std::string& problem) {
    Configuration configuration = test::configuration_of(2);
    change(configuration);
    EXPECT_EQ(problems(configuration), std::vector{problem});
  };
  expect([](auto& c) { c.services.clear(); }, "service: there is none");
  expect([](auto& c) { c.services[1].name = "four"; }, "service four: the name occurs twice");
  expect([](auto& c) { c.services[1].addresses = c.services[0].addresses; }, "service six: 192.0.2.1:443 occurs twice");
  expect([](auto& c) { c.services[1].addresses.clear(); }, "service six: has no address");
  expect([](auto& c) { c.pools[0].backends[1].name = "s1"; }, "backend web/s1: the name occurs twice");
  expect([](auto& c) { c.pools[0].backends[1].address = {}; }, "backend web/s2: has no address");
  expect([](auto& c) { c.pools[0].backends[1].weight = 10'001; }, "backend web/s2: the weight is above 10000");
  expect([](auto& c) { c.pools[0].backends[1].server_ids = c.pools[0].backends[0].server_ids; },
         "backend web/s2: a server id of configuration 0 occurs twice");
  expect([](auto& c) { c.quic_lb.push_back(c.quic_lb[0]); }, "quic_lb 0: the id occurs twice");
  expect([](auto& c) { c.maglev_size = 65536; }, "maglev_size: is no prime number above 100");
  expect([](auto& c) { c.flow_state.timeout = Duration::seconds(60); }, "flow_state: the timeout is below 120 s");
  expect([](auto& c) { c.limits.prefix4 = 33; }, "limits: a prefix is longer than an address");
  expect([](auto& c) { c.retry.emplace().key_sequence = 128; }, "retry: the key sequence is above 127");
  // Section 9.3 of the draft.
  expect(
      [](auto& c) {
        c.quic_lb.push_back({.id = 1, .server_id_length = 3, .nonce_length = 4, .key = std::array<uint8_t, 16>{}});
        c.pools[0].backends[0].server_ids.push_back({1, c.pools[0].backends[0].server_ids[0].bytes});
      },
      "pool web: a plaintext and an encrypted configuration share a server id");
}

TEST(Snapshot, NeedsAnAddressOfOursForTunnels) {
  LinkFacts link = test::link_facts();
  link.source4.reset();
  SlotDirectory slots;
  const auto made = RoutingSnapshot::make(test::configuration_of(1, Forwarding::kIpInIp), link, slots);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(),
            std::vector<std::string>{"backend web/s1: forwarding by ip-in-ip needs an IPv4 address of our own"});
}

TEST(Snapshot, KeepsTheNumbersOfBackends) {
  SlotDirectory slots;
  EXPECT_EQ(slots.slot_of("web/a"), 0);
  EXPECT_EQ(slots.slot_of("web/b"), 1);
  EXPECT_EQ(slots.slot_of("web/a"), 0);
  for (size_t i = 2; i < SlotDirectory::kMaxSlots; ++i) EXPECT_EQ(slots.slot_of(std::to_string(i)), i);
  EXPECT_EQ(slots.slot_of("one too many"), std::nullopt);
  EXPECT_EQ(slots.slot_of("web/b"), 1);
}

TEST(LinkFacts, SendThroughTheGatewayWhatIsNotOnTheLink) {
  LinkFacts link = test::link_facts();
  EXPECT_EQ(link.next_hop(test::ip("203.0.113.1")), test::ip("203.0.113.1")) << "everything is on the link";
  link.on_link = {{test::ip("10.0.0.254"), 24}};
  link.gateway4 = test::ip("10.0.0.1");
  EXPECT_EQ(link.next_hop(test::ip("10.0.0.9")), test::ip("10.0.0.9"));
  EXPECT_EQ(link.next_hop(test::ip("10.0.1.9")), test::ip("10.0.0.1"));
  EXPECT_EQ(link.next_hop(test::ip("fd00::9")), test::ip("fd00::9")) << "no gateway to give it to";
}

TEST(SlowStart, RaisesTheWeightOfWhoComes) {
  Configuration configuration = test::configuration_of(2);
  configuration.pools[0].slow_start = Duration::seconds(10);
  configuration.pools[0].backends[1].state = BackendState::kDown;
  SlowStart slow_start;
  slow_start.note(configuration, at_s(100));
  EXPECT_TRUE(slow_start.next_change().is_never()) << "who is there from the beginning has its weight";
  const auto weight = [&](int64_t second) {
    return slow_start.weighted(configuration, at_s(second)).pools[0].backends[1].weight;
  };
  configuration.pools[0].backends[1].state = BackendState::kActive;
  slow_start.note(configuration, at_s(200));
  EXPECT_EQ(slow_start.next_change(), at_s(201));
  EXPECT_EQ(weight(200), 1u);
  EXPECT_EQ(weight(205), 50u);
  EXPECT_EQ(weight(210), 100u);
  EXPECT_EQ(slow_start.weighted(configuration, at_s(200)).pools[0].backends[0].weight, 100u);
  slow_start.note(configuration, at_s(211));
  EXPECT_TRUE(slow_start.next_change().is_never());
}

}  // namespace
}  // namespace viaduct::lb
