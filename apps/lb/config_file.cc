#include "apps/lb/config_file.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <format>
#include <fstream>
#include <sstream>

#include "apps/settings/hex.h"

namespace viaduct::lb {
namespace {

using settings::ConfigErrors;
using settings::from_hex;
using settings::TableReader;

// Where in the file each thing that problems_of() names is.
using Places = std::map<std::string, toml::source_region>;

// A key of as many bytes as `out` has.
template <size_t kSize>
bool read_hex(TableReader& table, std::string_view key, std::array<uint8_t, kSize>& out) {
  bool is_read = false;
  table.parsed(key, [&](const std::string& text) -> std::string {
    const auto bytes = from_hex(text);
    if (!bytes || bytes->size() != kSize) return std::format("{} hexadecimal digits", 2 * kSize);
    std::ranges::copy(*bytes, out.begin());
    is_read = true;
    return {};
  });
  return is_read;
}

// "0:aa0001": configuration and server id.
std::string parse_server_id(const std::string& text, BackendConfig& backend) {
  constexpr std::string_view kExpected = "a configuration and a server id in hexadecimal, like \"0:c0ffee\"";
  if (text.size() < 4 || text[0] < '0' || text[0] > '6' || text[1] != ':') return std::string(kExpected);
  const auto bytes = from_hex(std::string_view(text).substr(2));
  if (!bytes) return std::string(kExpected);
  backend.server_ids.push_back({static_cast<uint8_t>(text[0] - '0'), *bytes});
  return {};
}

std::string parse_backend_address(const std::string& text, BackendConfig& backend) {
  if (const auto ip = IpAddress::parse(text)) {
    backend.address = {*ip, 0};
  } else if (const auto address = SocketAddress::parse(text)) {
    backend.address = *address;
  } else {
    return "an address, like \"10.0.0.1\", or one with a port, like \"10.0.0.1:4433\"";
  }
  return {};
}

void read_backend(TableReader& table, const PoolConfig& pool, Places& places, std::vector<BackendConfig>& out) {
  BackendConfig backend;
  table.require("name", "a name that is unique in its pool");
  table.text("name", backend.name);
  table.require("address", "where it is");
  table.parsed("address", [&](const std::string& text) { return parse_backend_address(text, backend); });
  table.parsed("mac", [&](const std::string& text) -> std::string {
    backend.mac = net::MacAddress::parse(text);
    return backend.mac ? "" : "a link-layer address, like \"02:00:5e:00:53:01\"";
  });
  if (const auto forwarding = table.choice("forwarding", kForwardingNames))
    backend.forwarding = static_cast<Forwarding>(*forwarding);
  if (const auto state = table.choice("state", kBackendStateNames)) backend.state = static_cast<BackendState>(*state);
  table.number("weight", backend.weight, 0, 10'000);
  table.flag("mcphint", backend.mcphint);
  table.parsed("server_ids", [&](const std::string& text) { return parse_server_id(text, backend); });
  places[std::format("backend {}/{}", pool.name, backend.name)] = table.where();
  out.push_back(std::move(backend));
}

// "200-399", or one status alone.
std::string parse_statuses(const std::string& text, Http3Question& question) {
  constexpr std::string_view kExpected = "a status or a range of them within 200 to 599, like \"200-399\"";
  const auto number = [](std::string_view digits) -> std::optional<uint16_t> {
    uint16_t value = 0;
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_status =
        error == std::errc() && rest == digits.data() + digits.size() && value >= 200 && value <= 599;
    return is_status ? std::optional(value) : std::nullopt;
  };
  const size_t dash = text.find('-');
  const auto least = number(std::string_view(text).substr(0, dash));
  const auto most = dash == std::string::npos ? least : number(std::string_view(text).substr(dash + 1));
  if (!least || !most || *least > *most) return std::string(kExpected);
  question.least_status = *least;
  question.most_status = *most;
  return {};
}

void read_question(TableReader& table, Http3Question& question) {
  // Without a name, a certificate would be checked against none.
  table.parsed("host", [&](const std::string& text) -> std::string {
    const bool has_brackets = text.starts_with('[') && text.ends_with(']');
    question.host = has_brackets ? text.substr(1, text.size() - 2) : text;
    const bool is_one = question.host.find_first_of(":[]") == std::string::npos || IpAddress::parse(question.host);
    return question.host.empty() || !is_one ? "the name that servers are asked for, without a port" : "";
  });
  table.text("path", question.path);
  if (!question.path.starts_with('/')) table.fail("path", "expected a path like \"/health\"");
  table.parsed("status", [&](const std::string& text) { return parse_statuses(text, question); });
  table.text("ca_file", question.ca_file);
  if (!question.ca_file.empty() && !std::ifstream(question.ca_file))
    table.fail("ca_file", std::format("expected a file that can be read: {}", std::strerror(errno)));
  table.flag("insecure", question.insecure);
}

void read_health(TableReader& table, HealthConfig& health) {
  static constexpr std::string_view kChecks[] = {"version-negotiation", "http3"};
  static constexpr std::string_view kOfHttp3[] = {"host", "path", "status", "ca_file", "insecure"};
  Http3Question question;
  read_question(table, question);
  if (table.choice("check", kChecks) == 1) {
    table.require("host", "the name that servers are asked for");
    health.http3 = question;
  } else {
    for (const std::string_view key : kOfHttp3) {
      if (table.has(key)) table.fail(key, "expected with check = \"http3\" alone");
    }
  }
  table.duration("interval", health.interval, Duration::milliseconds(100), Duration::seconds(3600));
  table.duration("timeout", health.timeout, Duration::milliseconds(100), Duration::seconds(3600));
  table.number("fall", health.fall, 1, 1000);
  table.number("rise", health.rise, 1, 1000);
  if (health.timeout > health.interval) table.fail("timeout", "expected no more than the interval");
}

void read_pool(TableReader& table, Configuration& configuration, Places& places) {
  PoolConfig pool;
  table.require("name", "a name");
  table.text("name", pool.name);
  table.duration("slow_start", pool.slow_start, Duration(), Duration::seconds(3600));
  places["pool " + pool.name] = table.where();
  table.table("health", [&](TableReader& health) { read_health(health, pool.health.emplace()); });
  table.tables("backend", [&](TableReader& backend) { read_backend(backend, pool, places, pool.backends); });
  configuration.pools.push_back(std::move(pool));
}

void read_service(TableReader& table, Configuration& configuration, Places& places) {
  ServiceConfig service;
  table.require("name", "a name");
  table.text("name", service.name);
  table.require("addresses", "a list like [\"192.0.2.1:443\", \"[2001:db8::1]:443\"]");
  table.parsed("addresses", [&](const std::string& text) -> std::string {
    const auto address = SocketAddress::parse(text);
    if (!address || address->port == 0) return "an address with a port, like \"192.0.2.1:443\"";
    service.addresses.push_back(*address);
    return {};
  });
  table.require("pool", "the name of a [[pool]]");
  table.text("pool", service.pool);
  places["service " + service.name] = table.where("pool");
  configuration.services.push_back(std::move(service));
}

void read_quic_lb(TableReader& table, Configuration& configuration, Places& places) {
  flowsteer::QuicLbConfig config;
  table.require("id", "a number from 0 to 6");
  table.number("id", config.id, 0, 6);
  table.require("server_id_length", "1 to 15");
  table.number("server_id_length", config.server_id_length, 1, 15);
  table.require("nonce_length", "4 to 18");
  table.number("nonce_length", config.nonce_length, 4, 18);
  std::array<uint8_t, 16> key{};
  if (read_hex(table, "key", key)) config.key = key;
  places[std::format("quic_lb {}", config.id)] = table.where();
  configuration.quic_lb.push_back(config);
}

void read_flow_state(TableReader& table, FlowStateConfig& config, Places& places) {
  places["flow_state"] = table.where();
  table.number("entries", config.entries, 16, 1'000'000'000);
  table.duration("timeout", config.timeout, FlowStateConfig::kLeastTimeout, Duration::seconds(86400));
  table.flag("by_dcid", config.by_dcid);
  table.flag("remember_routable", config.remember_routable);
  table.number("nat_sessions", config.nat_sessions, 0, 65535);
}

void read_limits(TableReader& table, NewFlowLimits& limits) {
  table.number("new_flows_per_second", limits.per_second, 0, 1'000'000'000);
  table.number("new_flows_per_prefix", limits.prefix_per_second, 0, 1'000'000'000);
  table.number("prefix4", limits.prefix4, 0, 32);
  table.number("prefix6", limits.prefix6, 0, 128);
}

void read_retry(TableReader& table, Configuration& configuration) {
  RetryConfig retry;
  table.flag("always", retry.always);
  table.number("key_sequence", retry.key_sequence, 0, 127);
  table.require("key", "32 hexadecimal digits, the same as the servers'");
  table.require("iv", "24 hexadecimal digits, the same as the servers'");
  read_hex(table, "key", retry.key);
  read_hex(table, "iv", retry.iv);
  table.duration("lifetime", retry.lifetime, Duration::seconds(1),
                 Duration::seconds(crypto::RetryOffload::kLongestLife));
  table.tables("accepted", [&](TableReader& accepted) {
    crypto::RetryOffloadKey key;
    accepted.number("key_sequence", key.sequence, 0, 127);
    accepted.require("key", "32 hexadecimal digits");
    accepted.require("iv", "24 hexadecimal digits");
    read_hex(accepted, "key", key.key);
    read_hex(accepted, "iv", key.iv);
    retry.accepted.push_back(key);
  });
  configuration.retry = retry;
}

void read_mcphint(TableReader& table, flowsteer::McphintConfig& config) {
  static constexpr std::string_view kHeaders[] = {"destination", "hop-by-hop"};
  table.number("ipv4_type", config.ipv4_type, 2, 255);
  table.number("ipv6_type", config.ipv6_type, 2, 255);
  if (const auto header = table.choice("ipv6_header", kHeaders))
    config.ipv6_header = static_cast<flowsteer::McphintHeader>(*header);
}

void read_routing(TableReader& top, Configuration& configuration, Places& places) {
  read_hex(top, "hash_key", configuration.hash_key);
  top.number("maglev_size", configuration.maglev_size, 101, 16'777'259);
  top.number("gue_port", configuration.gue_port, 1, 65535);
  top.number("too_big_per_second", configuration.icmp_per_second, 0, 1'000'000);
  top.require("service", "[[service]] with name, addresses and pool");
  top.tables("service", [&](TableReader& table) { read_service(table, configuration, places); });
  top.require("pool", "[[pool]] with name and backends");
  top.tables("pool", [&](TableReader& table) { read_pool(table, configuration, places); });
  top.tables("quic_lb", [&](TableReader& table) { read_quic_lb(table, configuration, places); });
  top.table("flow_state", [&](TableReader& table) { read_flow_state(table, configuration.flow_state, places); });
  top.table("limits", [&](TableReader& table) { read_limits(table, configuration.limits); });
  top.table("retry", [&](TableReader& table) { read_retry(table, configuration); });
  top.table("mcphint", [&](TableReader& table) { read_mcphint(table, configuration.mcphint); });
}

void read_all(TableReader& top, ProgramConfig& config, Places& places) {
  static constexpr std::string_view kSpreads[] = {"rss", "hand-off"};
  read_port(top, config.port);
  read_workers(top, config.workers, config.port.device);
  if (const auto spread = top.choice("spread", kSpreads)) config.hand_off = *spread == 1;
  top.table("control", [&](TableReader& control) { control.text("socket", config.control_socket); });
  read_routing(top, config.routing, places);
  read_log(top, config.log);
  read_eal(top, config.port.eal);
  config.port.eal.program = "viaduct-lb";
}

}  // namespace

std::expected<ProgramConfig, std::vector<std::string>> parse_config(std::string_view text, const std::string& name) {
  ConfigErrors errors(name);
  ProgramConfig config;
  Places places;
  config.port.eal.file_prefix = "viaduct-lb";
  try {
    const toml::table table = toml::parse(text, name);
    TableReader top(table, "", errors);
    read_all(top, config, places);
  } catch (const toml::parse_error& problem) {
    errors.add(problem.source(), "", std::format("expected TOML: {}", problem.description()));
  }
  // What one thing says about another is looked at once each of them is right.
  if (errors.empty()) {
    for (const Problem& problem : problems_of(config.routing))
      errors.add(places[problem.subject], problem.subject, problem.text);
  }
  if (!errors.empty()) return std::unexpected(errors.lines());
  return config;
}

std::expected<ProgramConfig, std::vector<std::string>> load_config(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.fail())
    return std::unexpected(std::vector{std::format("{}: cannot be read: {}", file, std::strerror(errno))});
  return parse_config(text.str(), file);
}

}  // namespace viaduct::lb
