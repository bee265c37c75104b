#include "apps/origin/config.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <format>
#include <fstream>
#include <optional>
#include <sstream>

#include "apps/settings/hex.h"
#include "apps/settings/port_settings.h"
#include "engine/recovery/loss_tolerance.h"

namespace viaduct::origin {
namespace {

using settings::ConfigErrors;
using settings::TableReader;

constexpr uint64_t kGiB = uint64_t{1} << 30;

void read_tls(TableReader& tls, Config& config) {
  tls.require("certificate", "the file of the certificate chain (PEM)");
  tls.require("key", "the file of the private key (PEM)");
  tls.text("certificate", config.certificate_file);
  tls.text("key", config.key_file);
  tls.texts("alpn", config.alpn);
  if (std::ranges::find(config.alpn, "h3") == config.alpn.end()) tls.fail("alpn", "expected a list with \"h3\" in it");
  tls.text("key_log", config.key_log_file);
  tls.text("ticket_keys", config.ticket_key_file);
  tls.flag("early_data", config.early_data);
  tls.text("protector", config.protector);
}

void read_content(TableReader& content, Config& config) {
  content.require("root", "the folder that is served");
  content.text("root", config.content.root);
  content.size("store", config.content.store_bytes, 1 << 20, 1024 * kGiB);
  content.size("segment", config.content.segment_size, 4096, 16 << 20);
  content.number("files", config.content.max_files, 16, 1'000'000);
  content.duration("freshness", config.content.freshness, Duration(), Duration::seconds(3600));
  content.duration("longest_wait", config.content.longest_wait, Duration::milliseconds(1), Duration::seconds(60));
  content.number("segments_ahead", config.site.last_window, 1, 4096);
  content.text("upload", config.site.upload_path);
  if (!config.site.upload_path.empty() &&
      (!config.site.upload_path.starts_with('/') || config.site.upload_path.ends_with('/')))
    content.fail("upload", "expected a path like \"/upload\", without a slash at its end");
  config.site.first_window = std::min(config.site.first_window, config.site.last_window);
}

void read_address_validation(TableReader& transport, quic::EndpointConfig& t) {
  static constexpr std::string_view kPolicies[] = {"never", "under-load", "always"};
  if (const auto policy = transport.choice("retry", kPolicies)) t.retry = static_cast<quic::RetryPolicy>(*policy);
  transport.number("retry_half_open", t.retry_half_open, 1, 1 << 22);
  transport.duration("retry_token_life", t.retry_token_life, Duration::milliseconds(100), Duration::seconds(600));
  transport.duration("new_token_life", t.new_token_life, Duration(), Duration::seconds(30 * 86400));
}

// "v1" or "v2".
std::optional<uint32_t> parse_version(std::string_view text) {
  for (const uint32_t version : quic::kSupportedVersions) {
    if (quic::version_name(version) == text) return version;
  }
  return std::nullopt;
}

void read_versions(TableReader& transport, quic::EndpointConfig& t) {
  static constexpr std::string_view kPreferences[] = {"none", "v1", "v2"};
  std::vector<uint32_t> versions;
  transport.parsed("versions", [&](const std::string& text) -> std::string {
    const auto version = parse_version(text);
    if (!version || std::ranges::find(versions, *version) != versions.end()) return "\"v1\" or \"v2\", each once";
    versions.push_back(*version);
    return {};
  });
  if (!versions.empty()) t.versions = versions;
  if (const auto preference = transport.choice("preferred_version", kPreferences))
    t.preferred_version = parse_version(kPreferences[*preference]).value_or(0);
  transport.flag("grease_quic_bit", t.grease_quic_bit);
}

void read_paths(TableReader& transport, quic::EndpointConfig& t) {
  transport.parsed("preferred_addresses", [&](const std::string& text) -> std::string {
    const auto address = SocketAddress::parse(text);
    if (!address || address->port == 0) return "an address with its port, like \"198.18.0.3:443\"";
    SocketAddress& slot = address->ip.is_v4() ? t.preferred_v4 : t.preferred_v6;
    if (slot.port != 0) return "one address of a family";
    slot = *address;
    return {};
  });
  bool allowed = !t.disable_active_migration;
  transport.flag("active_migration", allowed);
  t.disable_active_migration = !allowed;
}

// A share of packets, like "0.5%".
void read_loss_tolerance(TableReader& transport, quic::EndpointConfig& t) {
  transport.parsed("loss_tolerance", [&](const std::string& text) -> std::string {
    double percent = -1;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, percent, std::chars_format::fixed);
    const bool is_share = error == std::errc() && std::string_view(rest, end) == "%";
    if (!is_share || percent < 0 || static_cast<float>(percent / 100) > quic::LossTolerance::kMost)
      return std::format("a share from \"0%\" to \"{:g}%\"", quic::LossTolerance::kMost * 100);
    t.loss_tolerance = percent / 100;
    return {};
  });
}

void read_transport(TableReader& transport, Config& config) {
  using enum quic::ControllerKind;
  static constexpr std::string_view kControllers[] = {"new-reno", "cubic", "bbr"};
  static constexpr quic::ControllerKind kKinds[] = {kNewReno, kCubic, kBbr};
  quic::EndpointConfig& t = config.transport;
  transport.number("max_connections", t.max_connections, 1, 1 << 22);
  transport.number("max_half_open", t.max_half_open, 1, 1 << 22);
  transport.number("max_streams", t.max_streams, 16, 1 << 24);
  transport.number("max_requests_per_connection", config.http.max_requests_per_connection, 1, 1 << 16);
  transport.duration("idle_timeout", t.idle_timeout, Duration::milliseconds(100), Duration::seconds(3600));
  transport.duration("handshake_timeout", t.handshake_timeout, Duration::milliseconds(100), Duration::seconds(60));
  transport.size("connection_window", t.connection_window, 1 << 14, kGiB);
  transport.size("stream_window", t.stream_window, 1 << 12, kGiB);
  transport.number("max_udp_payload", t.max_udp_payload, 1200, 9000);
  transport.number("max_half_open_per_network", t.max_half_open_per_prefix, 1, 1 << 22);
  transport.number("key_update_after", t.key_update_after, 1000, 1 << 22);
  read_address_validation(transport, t);
  read_versions(transport, t);
  read_paths(transport, t);
  transport.size("receive_slab", t.receive_slab_bytes, 1 << 16, 16 * kGiB);
  if (const auto controller = transport.choice("congestion", kControllers)) t.congestion = kKinds[*controller];
  read_loss_tolerance(transport, t);
  transport.flag("careful_resume", t.careful_resume);
}

void read_qlog(TableReader& qlog, Config& config) {
  static constexpr std::string_view kSchemas[] = {"0.3", "draft-13"};
  qlog.text("directory", config.qlog.directory);
  qlog.number("one_in", config.qlog.choice.one_in, 0, 1'000'000'000);
  qlog.parsed("addresses", [&](const std::string& text) -> std::string {
    const auto address = IpAddress::parse(text);
    if (!address) return "an IP address";
    config.qlog.choice.addresses.push_back(*address);
    return {};
  });
  if (const auto schema = qlog.choice("schema", kSchemas)) config.qlog.schema = static_cast<quic::QlogSchema>(*schema);
  qlog.number("ring", config.qlog.ring_slots, 256, 1 << 24);
  qlog.number("max_open_files", config.qlog.max_open_files, 1, 65'536);
  qlog.size("max_file", config.qlog.max_file_bytes, 1 << 12, 1024 * kGiB);
}

// Bytes in hexadecimal, least to most of them, copied to `out`; their number, 0 where the key is absent or wrong.
size_t read_hex(TableReader& table, std::string_view key, MutableBytes out, size_t least) {
  size_t length = 0;
  table.parsed(key, [&](const std::string& text) -> std::string {
    const auto bytes = settings::from_hex(text);
    if (!bytes || bytes->size() < least || bytes->size() > out.size())
      return least == out.size() ? std::format("{} hexadecimal digits", 2 * least)
                                 : std::format("{} to {} bytes in hexadecimal", least, out.size());
    std::ranges::copy(*bytes, out.begin());
    length = bytes->size();
    return {};
  });
  return length;
}

void read_quic_lb(TableReader& table, Config& config) {
  flowsteer::ServerIdentity identity;
  table.require("id", "a number from 0 to 6");
  table.number("id", identity.config.id, 0, flowsteer::QuicLbConfig::kMaxId);
  table.require("server_id", "1 to 15 bytes in hexadecimal");
  constexpr size_t kMostServerId = 15;
  const size_t length = read_hex(table, "server_id", MutableBytes(identity.server_id).first(kMostServerId), 1);
  table.require("nonce_length", "4 to 17");
  table.number("nonce_length", identity.config.nonce_length, 4, 17);
  table.flag("encode_length", identity.config.encode_length);
  std::array<uint8_t, flowsteer::QuicLbConfig::kKeySize> key;
  if (read_hex(table, "key", key, key.size()) > 0) identity.config.key = key;
  if (length == 0) return;
  identity.config.server_id_length = static_cast<uint8_t>(length);
  if (const auto problem = identity.problem(); !problem.empty()) table.fail("server_id", problem);
  config.quic_lb = identity;
}

// The keys are those of viaduct-lb's [retry].
void read_retry_key(TableReader& table, Config& config) {
  crypto::RetryOffloadKey key;
  table.number("key_sequence", key.sequence, 0, 127);
  table.require("key", "32 hexadecimal digits, the same as the balancer's");
  read_hex(table, "key", key.key, key.key.size());
  table.require("iv", "24 hexadecimal digits, the same as the balancer's");
  read_hex(table, "iv", key.iv, key.iv.size());
  config.retry_keys.push_back(key);
}

void read_retry_offload(TableReader& table, Config& config) {
  read_retry_key(table, config);
  table.tables("accepted", [&](TableReader& accepted) { read_retry_key(accepted, config); });
}

void read_all(TableReader& top, Config& config) {
  settings::PortSettings port;
  settings::WorkerSettings workers;
  settings::LogSettings log;
  read_port(top, port);
  read_workers(top, workers, port.device);
  top.number("handshake_workers", config.handshake_workers, 0, 64);
  top.number("listen", config.listen_port, 1, 65535);
  top.duration("drain_limit", config.drain_limit, Duration(), Duration::seconds(3600));
  top.require("tls", "[tls] with certificate and key");
  top.table("tls", [&](TableReader& tls) { read_tls(tls, config); });
  top.require("content", "[content] with root");
  top.table("content", [&](TableReader& content) { read_content(content, config); });
  top.table("transport", [&](TableReader& transport) { read_transport(transport, config); });
  top.table("qlog", [&](TableReader& qlog) { read_qlog(qlog, config); });
  top.table("quic_lb", [&](TableReader& table) { read_quic_lb(table, config); });
  top.table("retry_offload", [&](TableReader& table) { read_retry_offload(table, config); });
  read_log(top, log);
  read_eal(top, port.eal);

  config.workers = workers.workers;
  config.pin_always = workers.pin_always;
  config.pin_never = workers.pin_never;
  config.idle = workers.idle;
  config.device = port.device;
  config.addresses = port.addresses;
  config.eal = port.eal;
  config.log_level = log.level;
  config.log_file = log.file;
  config.log_interval = log.interval;
}

// What follows from what was read.
void derive(Config& config) {
  config.addresses.udp_ports = {{config.listen_port, config.listen_port}};
  config.eal.program = "viaduct-origin";
  config.http.max_connections = static_cast<uint32_t>(config.transport.max_connections);
  config.http.max_requests = static_cast<uint32_t>(config.transport.max_streams);
  config.http.max_writes_ahead = config.site.last_window;
  config.site.max_requests = config.http.max_requests;
  config.transport.max_streams_bidi = config.http.max_requests_per_connection;
  // Each connection has our three streams and about as many of the client's beside its requests.
  config.transport.max_streams += 8 * config.transport.max_connections;
  const auto segments = static_cast<uint32_t>(config.content.store_bytes / config.content.segment_size);
  config.site.max_held = std::max(1u, segments / 2 / config.workers);
  // A head for each stream, content that is held, and some.
  const size_t writes = config.transport.max_streams + config.http.max_requests + config.site.max_held + 64;
  config.transport.max_writes = std::max(config.transport.max_writes, writes);
}

}  // namespace

std::expected<Config, std::vector<std::string>> parse_config(std::string_view text, const std::string& name) {
  ConfigErrors errors(name);
  Config config;
  try {
    const toml::table table = toml::parse(text, name);
    TableReader top(table, "", errors);
    read_all(top, config);
  } catch (const toml::parse_error& problem) {
    errors.add(problem.source(), "", std::format("expected TOML: {}", problem.description()));
  }
  if (!errors.empty()) return std::unexpected(errors.lines());
  derive(config);
  return config;
}

std::expected<Config, std::vector<std::string>> load_config(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.fail())
    return std::unexpected(std::vector{std::format("{}: cannot be read: {}", file, std::strerror(errno))});
  auto config = parse_config(text.str(), file);
  if (config) config->file = file;
  return config;
}

}  // namespace viaduct::origin
