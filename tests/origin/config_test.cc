#include "apps/origin/config.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <string>

namespace viaduct::origin {
namespace {

const std::string kGood = R"(workers = 2
idle = "adaptive"
listen = 4433

[[port]]
driver = "af_packet"
interface = "veth0"
addresses = ["198.18.0.1/24", "2001:db8::1/64"]
gateways = ["198.18.0.254"]
mtu = 1500

[tls]
certificate = "cert.pem"
key = "key.pem"

[content]
root = "/srv/site"
store = "64MiB"
segment = 65536

[transport]
idle_timeout = "3s"
congestion = "new-reno"
max_connections = 100
loss_tolerance = "0.5%"
careful_resume = false
)";

std::string errors_of(const std::string& text) {
  const auto config = parse_config(text, "origin.toml");
  if (config) return "";
  std::string all;
  for (const std::string& line : config.error()) all += line + "\n";
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Config, says_how_clients_come_in) {
  const std::string text =
      replaced(replaced(kGood, "[content]", "ticket_keys = \"/etc/viaduct/tickets\"\nearly_data = false\n\n[content]"),
               "idle_timeout = \"3s\"",
               "retry = \"always\"\nretry_half_open = 7\nretry_token_life = \"3s\"\nnew_token_life = \"60s\"");
  const auto config = parse_config(text, "origin.toml");
  ASSERT_TRUE(config) << errors_of(text);
  EXPECT_EQ(config->ticket_key_file, "/etc/viaduct/tickets");
  EXPECT_FALSE(config->early_data);
  EXPECT_EQ(config->transport.retry, quic::RetryPolicy::kAlways);
  EXPECT_EQ(config->transport.retry_half_open, 7u);
  EXPECT_EQ(config->transport.retry_token_life, Duration::seconds(3));
  EXPECT_EQ(config->transport.new_token_life, Duration::seconds(60));
  EXPECT_NE(errors_of(replaced(text, "always", "perhaps")).find("retry"), std::string::npos);
  EXPECT_NE(errors_of(replaced(text, "\"60s\"", "\"900000h\"")).find("new_token_life"), std::string::npos);
}

TEST(Config, says_which_versions_and_addresses_clients_use) {
  const std::string text =
      replaced(kGood, "idle_timeout = \"3s\"",
               "versions = [\"v2\", \"v1\"]\npreferred_version = \"v2\"\ngrease_quic_bit = false\n"
               "active_migration = false\npreferred_addresses = [\"198.18.0.9:8443\", \"[2001:db8::9]:8443\"]\n"
               "max_half_open_per_network = 9\nkey_update_after = 1000");
  const auto config = parse_config(text, "origin.toml");
  ASSERT_TRUE(config) << errors_of(text);
  const quic::EndpointConfig& t = config->transport;
  EXPECT_EQ(t.versions, (std::vector{quic::kVersion2, quic::kVersion1}));
  EXPECT_EQ(t.preferred_version, quic::kVersion2);
  EXPECT_FALSE(t.grease_quic_bit);
  EXPECT_TRUE(t.disable_active_migration);
  EXPECT_EQ(t.preferred_v4, SocketAddress::parse("198.18.0.9:8443"));
  EXPECT_EQ(t.preferred_v6, SocketAddress::parse("[2001:db8::9]:8443"));
  EXPECT_EQ(t.max_half_open_per_prefix, 9u);
  EXPECT_EQ(t.key_update_after, 1000u);
  EXPECT_NE(errors_of(replaced(text, "[\"v2\", \"v1\"]", "\"v3\"")).find("versions"), std::string::npos);
  EXPECT_NE(errors_of(replaced(text, "198.18.0.9:8443", "198.18.0.9")).find("preferred_addresses"), std::string::npos);
}

TEST(Config, says_what_is_to_be) {
  const auto config = parse_config(kGood, "origin.toml");
  ASSERT_TRUE(config) << errors_of(kGood);
  EXPECT_EQ(config->workers, 2u);
  EXPECT_EQ(config->listen_port, 4433);
  EXPECT_EQ(config->device.driver, net::Driver::kAfPacket);
  EXPECT_EQ(config->device.interface, "veth0");
  EXPECT_EQ(config->device.queues, 2u);
  EXPECT_EQ(config->device.idle, net::IdlePolicy::kAdaptive);
  EXPECT_EQ(config->addresses.addresses.size(), 2u);
  EXPECT_TRUE(config->addresses.gateway4);
  EXPECT_FALSE(config->addresses.gateway6);
  EXPECT_EQ(config->content.store_bytes, 64u << 20);
  EXPECT_EQ(config->transport.idle_timeout, Duration::seconds(3));
  EXPECT_EQ(config->transport.congestion, quic::ControllerKind::kNewReno);
  EXPECT_DOUBLE_EQ(config->transport.loss_tolerance, 0.005);
  EXPECT_FALSE(config->transport.careful_resume);
  EXPECT_EQ(config->http.max_connections, 100u);
  EXPECT_EQ(config->transport.max_streams_bidi, config->http.max_requests_per_connection);
}

// File, line, key, and what was expected.
TEST(Config, errors_say_where_and_what_was_expected) {
  const struct {
    const char *from, *to;
    const char* error;
  } cases[] = {
      {"workers = 2", "workers = \"many\"",
       "origin.toml:1: workers: expected a whole number from 1 to 64, not \"many\"|'many'"},
      {"workers = 2", "workers = 65", "origin.toml:1: workers: expected a whole number from 1 to 64, not 65"},
      {"workers = 2", "workers = -1", "origin.toml:1: workers: expected a whole number from 1 to 64"},
      {"workers = 2", "worker = 2", "origin.toml:1: worker: unknown key; did you mean 'workers'?"},
      {"workers = 2", "zzzzzzzz = 2", "origin.toml:1: zzzzzzzz: unknown key; expected one of "},
      {"idle = \"adaptive\"", "idle = \"sometimes\"", "origin.toml:2: idle: expected one of \"adaptive\", \"poll\""},
      {"listen = 4433", "listen = 0", "origin.toml:3: listen: expected a whole number from 1 to 65535"},
      {"driver = \"af_packet\"", "driver = \"afpacket\"", "origin.toml:6: port.driver: "},
      {"driver = \"af_packet\"\n", "", "port.driver: is missing; expected \"af_packet\""},
      {"198.18.0.1/24", "198.18.0.1", "origin.toml:8: port.addresses: expected an address with its prefix length"},
      {"198.18.0.254", "gateway", "origin.toml:9: port.gateways: expected an address"},
      {"mtu = 1500", "mtu = 100", "origin.toml:10: port.mtu: expected a whole number from 1280 to 9216"},
      {"certificate = \"cert.pem\"", "certificat = \"cert.pem\"",
       "origin.toml:13: tls.certificat: unknown key; did you mean 'certificate'?"},
      {"key = \"key.pem\"", "key = 5", "origin.toml:14: tls.key: expected text in quotes, not 5"},
      {"root = \"/srv/site\"\n", "", "content.root: is missing; expected the folder that is served"},
      {"store = \"64MiB\"", "store = \"64 parsecs\"", "origin.toml:18: content.store: expected a size from"},
      {"idle_timeout = \"3s\"", "idle_timeout = 3",
       "origin.toml:22: transport.idle_timeout: expected a time from \"100ms\" to \"3600s\", not 3"},
      {"congestion = \"new-reno\"", "congestion = \"fast\"",
       "origin.toml:23: transport.congestion: expected one of \"new-reno\", \"cubic\""},
      {"\"0.5%\"", "\"2.5%\"", "origin.toml:25: transport.loss_tolerance: expected a share from \"0%\" to \"2%\""},
      {"\"0.5%\"", "\"0.5\"", "origin.toml:25: transport.loss_tolerance: expected a share from"},
      {"\"0.5%\"", "\"-1%\"", "origin.toml:25: transport.loss_tolerance: expected a share from"},
      {"\"0.5%\"", "0.5", "origin.toml:25: transport.loss_tolerance: expected a share from"},
      {"[tls]", "[tls", "origin.toml:12: expected TOML: "},
      {"[transport]", "[[port]]\ndriver = \"null\"\naddresses = []\n[transport]", "expected one [[port]]"},
  };
  for (const auto& c : cases) {
    const std::string errors = errors_of(replaced(kGood, c.from, c.to));
    const std::string expected = c.error;
    const size_t either = expected.find('|');
    if (either == std::string::npos) {
      EXPECT_NE(errors.find(expected), std::string::npos) << expected << "\nbut: " << errors;
    } else {
      EXPECT_NE(errors.find(expected.substr(0, expected.rfind('"', either - 6))), std::string::npos) << errors;
    }
  }
}

TEST(Config, tells_all_errors_at_once) {
  const std::string errors =
      errors_of(replaced(replaced(kGood, "workers = 2", "workers = 0"), "mtu = 1500", "mtu = 1"));
  EXPECT_NE(errors.find(":1: workers"), std::string::npos);
  EXPECT_NE(errors.find(":10: port.mtu"), std::string::npos);
}

TEST(Config, needs_what_has_no_default) {
  const std::string errors = errors_of("");
  for (const char* missing : {"port: is missing", "tls: is missing", "content: is missing"})
    EXPECT_NE(errors.find(missing), std::string::npos) << errors;
}

// Every key of the example, those commented out included, is one that we know and has a value that we take.
TEST(Config, the_example_is_right_as_it_is_and_with_every_key) {
  std::ifstream in(EXAMPLE_FILE);
  std::string text, line;
  while (std::getline(in, line)) {
    const bool is_commented_key = line.starts_with("#") && line.size() > 1 &&
                                  (line[1] == '[' || std::islower(static_cast<unsigned char>(line[1])));
    text += (is_commented_key ? line.substr(1) : line) + "\n";
  }
  EXPECT_TRUE(load_config(EXAMPLE_FILE)) << load_config(EXAMPLE_FILE).error()[0];
  EXPECT_EQ(errors_of(text), "");
}

TEST(Config, that_cannot_be_read) {
  const auto config = load_config("/nowhere/origin.toml");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error()[0].find("/nowhere/origin.toml: cannot be read"), std::string::npos);
}

TEST(Config, says_what_a_balancer_reads) {
  const std::string table = "[quic_lb]\nid = 3\nserver_id = \"0B0b0001\"\nnonce_length = 12\n";
  const auto plain = parse_config(kGood + table, "origin.toml");
  ASSERT_TRUE(plain && plain->quic_lb) << errors_of(kGood + table);
  EXPECT_EQ(plain->quic_lb->config.id, 3);
  EXPECT_EQ(plain->quic_lb->config.server_id_length, 4);
  EXPECT_EQ(plain->quic_lb->config.nonce_length, 12);
  EXPECT_EQ(plain->quic_lb->server_id[3], 1);
  EXPECT_FALSE(plain->quic_lb->config.key);
  const auto keyed = parse_config(kGood + table + "key = \"8f95f09245765f80256934e50c66207f\"\n", "origin.toml");
  ASSERT_TRUE(keyed && keyed->quic_lb);
  ASSERT_TRUE(keyed->quic_lb->config.key);
  EXPECT_EQ((*keyed->quic_lb->config.key)[0], 0x8f);
  EXPECT_FALSE(parse_config(kGood, "origin.toml")->quic_lb);
}

TEST(Config, says_what_a_balancer_makes_retry_tokens_with) {
  const std::string keys = "key = \"000102030405060708090a0b0c0d0e0f\"\niv = \"000102030405060708090a0b\"\n";
  const auto config = parse_config(
      kGood + "[retry_offload]\nkey_sequence = 7\n" + keys + "[[retry_offload.accepted]]\nkey_sequence = 8\n" + keys,
      "origin.toml");
  ASSERT_TRUE(config && config->retry_keys.size() == 2);
  EXPECT_EQ(config->retry_keys[0].sequence, 7);
  EXPECT_EQ(config->retry_keys[0].key[15], 15);
  EXPECT_EQ(config->retry_keys[0].iv[11], 11);
  EXPECT_EQ(config->retry_keys[1].sequence, 8);
  EXPECT_TRUE(parse_config(kGood, "origin.toml")->retry_keys.empty());
  EXPECT_NE(errors_of(kGood + "[retry_offload]\nkey_sequence = 128\n" + keys).find("retry_offload.key_sequence"),
            std::string::npos);
  const std::string incomplete = errors_of(kGood + "[retry_offload]\nkey = \"00\"\n");
  EXPECT_NE(incomplete.find("retry_offload.key: expected 32 hexadecimal digits"), std::string::npos);
  EXPECT_NE(incomplete.find("retry_offload.iv"), std::string::npos);
}

TEST(Config, says_what_is_wrong_with_connection_ids) {
  const auto with = [](const std::string& id, const std::string& server, const std::string& nonce) {
    return errors_of(kGood + "[quic_lb]\nid = " + id + "\nserver_id = \"" + server + "\"\nnonce_length = " + nonce +
                     "\n");
  };
  EXPECT_NE(with("7", "0b", "4").find("quic_lb.id: expected a whole number from 0 to 6"), std::string::npos);
  EXPECT_NE(with("0", "0x0b", "4").find("quic_lb.server_id: expected 1 to 15 bytes in hexadecimal"), std::string::npos);
  EXPECT_NE(with("0", "0b", "3").find("quic_lb.nonce_length"), std::string::npos);
  EXPECT_NE(with("0", "0b0b0b0b0b0b0b0b", "11").find("at most 18 bytes"), std::string::npos);
  EXPECT_NE(errors_of(kGood + "[quic_lb]\nkey = \"00\"\n").find("quic_lb.key: expected 32 hexadecimal digits"),
            std::string::npos);
  EXPECT_NE(errors_of(kGood + "[quic_lb]\n").find("quic_lb.server_id: is missing"), std::string::npos);
}

}  // namespace
}  // namespace viaduct::origin
