#include "apps/load/command_line.h"

#include <netdb.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <format>
#include <iostream>

namespace viaduct::load {
namespace {

constexpr const char* kDescription = R"(Measures HTTP/3 servers, on DPDK ports.

Opens connections to the server of the URL, asks for it over and over, and prints rates and latencies. With several
URLs (of one server) it takes them in turn. With --save it fetches each once instead, as other clients do.

Closed loop (the default): each connection has --in-flight requests under way; an answer makes the next request. As a
slow server is then asked less, latencies are also given corrected for coordinated omission, as if requests had gone on
at the mean interval. Open loop (--rate): requests come at their rate whatever the answers, and latency counts from
when a request was due.

The client's own busy share is part of the result. Above 95 % the client may be what limited the run, and it says so.)";

constexpr const char* kFooter = R"(EXAMPLES
  One page:     viaduct-load --port af_packet:eth0 --address 198.18.0.2/24 https://198.18.0.1/ --insecure --save page
  Throughput:   viaduct-load --port memif:client:/run/m.sock --address 198.18.0.2/24 --connections 32 --insecure
                    https://198.18.0.1/1GB.bin
  Latency:      ... --connections 32 --in-flight 64 --rate 60000 https://198.18.0.1/1KB.bin
  Handshakes:   ... --handshakes --connections 64 https://198.18.0.1/
  0-RTT:        ... --handshakes --requests-per-connection 1 --resume --early-data https://198.18.0.1/
  Upload:       ... --upload 100MB https://198.18.0.1/upload

EXIT STATUS
  0: everything asked for was answered well. 1: something failed, or the program could not start. 2: usage.

What follows '--' is handed to DPDK's EAL.)";

// Texts as they come, checked after parsing.
struct Raw {
  std::vector<std::string> urls;
  std::string port = "af_packet:eth0";
  std::vector<std::string> addresses, gateways;
  std::string to, server_name, method, upload, hugepages = "auto", idle = "poll", congestion = "cubic";
  std::string migrate_as = "rebinding", quic_version = "v1";
  double warm_up = 1, duration = 10, handshake_timeout = 10;
  bool handshakes = false, idle_connections = false, insecure = false, head = false;
  uint16_t mtu = 0;
  std::string alpn = "h3";
  std::vector<std::string> eal_arguments;
};

// "1000", "64KiB", "100MB", "1GB".
std::optional<uint64_t> parse_size(const std::string& text) {
  size_t used = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(text, &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  static constexpr struct {
    std::string_view unit;
    uint64_t factor;
  } kUnits[] = {{"", 1},          {"kB", 1000},     {"KB", 1000},    {"MB", 1000 * 1000}, {"GB", 1000000000},
                {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  for (const auto& [unit, factor] : kUnits) {
    if (text.substr(used) == unit) return value * factor;
  }
  return std::nullopt;
}

// The server's address: what --to says, or the URL's host, asked of the system where it is a name.
std::string find_server(const Raw& raw, Config& config) {
  const Url& url = config.urls.front();
  if (const auto socket = SocketAddress::parse(raw.to)) {
    config.server = *socket;
    return {};
  }
  const std::string host = raw.to.empty() ? url.host : raw.to;
  config.server.port = url.port;
  if (const auto ip = IpAddress::parse(host)) {
    config.server.ip = *ip;
    return {};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
    return std::format("'{}': {}; --to says where it is", host, gai_strerror(error));
  const sockaddr* address = found->ai_addr;
  if (found->ai_family == AF_INET6) {
    config.server.ip = IpAddress::v6(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr);
  } else {
    config.server.ip =
        IpAddress::v4(reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr));
  }
  freeaddrinfo(found);
  return {};
}

std::string read_urls(const Raw& raw, Config& config) {
  for (const std::string& text : raw.urls) {
    auto url = Url::parse(text);
    if (!url) return url.error();
    config.urls.push_back(std::move(*url));
    if (config.urls.back().authority != config.urls.front().authority)
      return std::format("'{}': expected a URL of {}, as the first one", text, config.urls.front().authority);
  }
  config.server_name = raw.server_name.empty() ? config.urls.front().host : raw.server_name;
  return find_server(raw, config);
}

std::string read_device(const Raw& raw, Config& config) {
  auto device = net::DeviceConfig::parse(raw.port);
  if (!device) return std::format("--port: {}", device.error());
  const unsigned rx = config.device.rx_descriptors, tx = config.device.tx_descriptors;
  const bool partial = config.device.partial_checksums;
  config.device = *device;
  config.device.rx_descriptors = rx;
  config.device.tx_descriptors = tx;
  config.device.partial_checksums = partial;
  config.device.queues = config.workers;
  config.device.mtu = raw.mtu;
  if (!config.device.pci_address.empty()) config.eal.pci_devices.push_back(config.device.pci_address);
  for (const std::string& text : raw.addresses) {
    const auto address = net::LocalAddress::parse(text);
    if (!address) return std::format("--address: expected an address with its prefix length, not '{}'", text);
    config.addresses.addresses.push_back(*address);
  }
  for (const std::string& text : raw.gateways) {
    const auto address = IpAddress::parse(text);
    if (!address) return std::format("--gateway: expected an address, not '{}'", text);
    (address->is_v4() ? config.addresses.gateway4 : config.addresses.gateway6) = address;
  }
  const bool has_family = std::ranges::any_of(config.addresses.addresses, [&](const net::LocalAddress& address) {
    return address.ip.is_v4() == config.server.ip.is_v4();
  });
  if (!has_family)
    return std::format("--address: expected one of the family of the server, {}", config.server.ip.to_string());
  config.addresses.udp_ports = {{kFirstPort, kLastPort}};
  config.eal.hugepages = raw.hugepages == "off"  ? net::Hugepages::kOff
                         : raw.hugepages == "on" ? net::Hugepages::kOn
                                                 : net::Hugepages::kAuto;
  config.eal.extra_arguments = raw.eal_arguments;
  config.idle = raw.idle == "poll" ? IdlePolicy::kPoll : IdlePolicy::kAdaptive;
  return {};
}

std::string read_work(const Raw& raw, Config& config) {
  if (raw.handshakes && raw.idle_connections) return "--handshakes and --idle exclude each other";
  config.work = raw.handshakes ? Work::kHandshakes : raw.idle_connections ? Work::kIdle : Work::kRequests;
  config.warm_up = Duration::milliseconds(static_cast<int64_t>(raw.warm_up * 1000));
  config.duration = Duration::milliseconds(static_cast<int64_t>(raw.duration * 1000));
  if (!raw.upload.empty()) {
    const auto size = parse_size(raw.upload);
    if (!size || *size == 0)
      return std::format("--upload: expected a size like 1000, 64KiB or 100MB, not '{}'", raw.upload);
    config.upload_bytes = *size;
  }
  config.method = !raw.method.empty() ? raw.method : raw.head ? "HEAD" : config.upload_bytes > 0 ? "POST" : "GET";
  if (config.connections < config.workers) return "--connections: expected at least one for each worker";
  if (config.requests_per_connection > 0 && config.work != Work::kHandshakes)
    return "--requests-per-connection is for --handshakes";
  // A ticket comes after the handshake, at about the time of the first answer.
  if (config.resume && config.requests_per_connection == 0)
    return "--resume is for --handshakes with --requests-per-connection, so that tickets have time to come";
  if (config.tls.early_data && !config.resume) return "--early-data is for --resume";
  if (config.tls.early_data && config.method != "GET" && config.method != "HEAD")
    return "--early-data is for GET and HEAD: what comes early may come twice";
  config.moves_itself = raw.migrate_as == "active";
  if (config.held > 0 && config.work != Work::kRequests) return "--hold is for requests";
  if (config.rate > 0 && config.work == Work::kIdle) return "--rate is not for --idle";
  if (!config.is_fetch()) return {};
  if (config.work != Work::kRequests || config.rate > 0) return "--save excludes --handshakes, --idle and --rate";
  config.connections = config.workers = 1;
  config.in_flight = static_cast<uint32_t>(config.urls.size());
  config.total = config.urls.size();
  config.warm_up = Duration();
  config.quiet = true;
  return {};
}

// The engine's capacities, as large as the work needs.
void size_transport(const Raw& raw, Config& config) {
  quic::EndpointConfig& t = config.transport;
  const uint64_t in_flight = std::max(config.in_flight, config.requests_per_connection);
  const uint64_t requests = uint64_t{config.connections} * in_flight;
  t.max_connections =
      config.connections + config.held + (config.work == Work::kHandshakes ? 4 * config.opening + 4096 : 64);
  t.max_half_open = config.opening + 64;
  t.max_streams = requests + 8 * t.max_connections;
  t.max_writes = t.max_streams + 64 * uint64_t{config.connections};
  t.max_sent_packets = 65536 + 16 * t.max_connections;
  t.active_connection_ids = 2;
  t.event_slots = t.command_slots = 16384;
  t.connection_window = 64 << 20;
  t.stream_window = 16 << 20;
  t.handshake_timeout = Duration::milliseconds(static_cast<int64_t>(raw.handshake_timeout * 1000));
  if (raw.quic_version != "v1") t.versions = {quic::kVersion2, quic::kVersion1};
  if (raw.quic_version == "v2") config.first_version = quic::kVersion2;
  t.congestion = raw.congestion == "bbr"     ? quic::ControllerKind::kBbr
                 : raw.congestion == "cubic" ? quic::ControllerKind::kCubic
                                             : quic::ControllerKind::kNewReno;
  // Otherwise idle connections would end before the measurement does.
  if (config.work == Work::kIdle || config.held > 0) t.idle_timeout = Duration::seconds(600);
}

std::string finish(const Raw& raw, Config& config) {
  for (auto step : {&read_urls, &read_work, &read_device}) {
    if (std::string problem = step(raw, config); !problem.empty()) return problem;
  }
  config.tls.verify = !raw.insecure;
  config.tls.alpn = {raw.alpn};
  size_transport(raw, config);
  return {};
}

void add_work_options(CLI::App& app, Raw& raw, Config& config) {
  app.add_option("url", raw.urls, "https://HOST[:PORT]/PATH; several are taken in turn")->required();
  app.add_option("--to", raw.to, "The server's address, or address:port, instead of the URL's host");
  app.add_option("--connections,-c", config.connections, "Connections that are open at a time")
      ->check(CLI::Range(1, 4'000'000))
      ->capture_default_str();
  app.add_option("--in-flight,-m", config.in_flight, "Requests (streams) under way on each connection")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  app.add_option("--rate", config.rate, "Open loop: requests (with --handshakes: connections) per second, in all")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--duration,-d", raw.duration, "Seconds that are measured")
      ->check(CLI::Range(0.01, 86'400.0))
      ->capture_default_str();
  app.add_option("--warm-up", raw.warm_up, "Seconds of the same work before")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--total,-n", config.total, "Ends after so many requests or handshakes, warm-up included");
  app.add_option("--method", raw.method, "Of the requests; GET, or POST with --upload");
  app.add_flag("--head", raw.head, "HEAD instead of GET");
  app.add_option("--upload", raw.upload, "Bytes of content that each request carries (like 64KiB, 100MB)");
  app.add_flag("--handshakes", raw.handshakes, "One connection after the other, --connections of them at a time");
  app.add_option("--requests-per-connection", config.requests_per_connection,
                 "With --handshakes: requests before a connection is closed")
      ->check(CLI::Range(0, 65'536));
  app.add_flag("--idle", raw.idle_connections, "Opens the connections, and holds them");
  app.add_option("--hold", config.held, "More connections, that are opened before and say nothing")
      ->check(CLI::Range(0, 4'000'000));
  app.add_option("--opening", config.opening, "Handshakes under way at a time")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  app.add_option("--handshake-timeout", raw.handshake_timeout, "Seconds after which a handshake has failed")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  app.add_option("--migrations", config.migrations, "Connections per second that change to another UDP port")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--migrate-as", raw.migrate_as,
                 "How: rebinding, as a NAT does it without a word, or active, after a look at the new path")
      ->check(CLI::IsMember({"rebinding", "active"}))
      ->capture_default_str();
  app.add_flag("--resume", config.resume,
               "With --handshakes: connections resume TLS sessions of earlier ones, and bring their address tokens");
  app.add_flag("--early-data", config.tls.early_data, "With --resume: requests go in 0-RTT where tickets allow it");
  app.add_option("--save", config.save,
                 "Fetches each URL once and writes it to this file (to a folder: under its name)");
  app.add_flag("--include", config.show_head, "With --save: prints the heads of the responses");
}

void add_protocol_options(CLI::App& app, Raw& raw, Config& config) {
  app.add_flag("--insecure,-k", raw.insecure, "Takes any certificate");
  app.add_option("--ca-file", config.tls.ca_file, "Authorities (PEM) instead of the system's");
  app.add_option("--server-name", raw.server_name, "Server name (SNI), and what the certificate must be for");
  app.add_option("--alpn", raw.alpn, "Application protocol to ask for")->capture_default_str();
  app.add_option("--ciphers", config.tls.ciphers, "TLS 1.3 cipher suites, as OpenSSL names them, by colons");
  app.add_option("--groups", config.tls.groups, "Key exchange groups, as OpenSSL names them, by colons");
  app.add_option("--quic-version", raw.quic_version,
                 "To begin with; the server may lead to the other. v1-then-v2: asks for that in the first flight")
      ->check(CLI::IsMember({"v1", "v2", "v1-then-v2"}))
      ->capture_default_str();
  app.add_option("--key-update-after", config.transport.key_update_after,
                 "Packets that a connection seals before it updates its keys")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 22))
      ->capture_default_str();
  app.add_flag("--scramble-initials", config.transport.scramble_initials,
               "The ClientHello goes in pieces that are out of order, as Chrome's does");
  app.add_option("--key-log", config.tls.key_log_file, "Appends secrets in SSLKEYLOGFILE format");
  app.add_option("--congestion", raw.congestion, "Controller of what we send")
      ->check(CLI::IsMember({"cubic", "new-reno", "bbr"}))
      ->capture_default_str();
  app.add_option("--protector", config.protector,
                 "Packet protection by \"vaes\", \"ipsec-mb\" or \"openssl\"; the best one");
  app.add_flag("--without-authentication", config.without_authentication,
               "Decrypts packets but does not verify them, to measure with a weaker core; results say so");
}

void add_port_options(CLI::App& app, Raw& raw, Config& config) {
  app.add_option("--port", raw.port,
                 "DPDK port: af_packet:IF, af_xdp:IF, memif:client:SOCKET, memif:server:SOCKET, tap:IF, a PCI address")
      ->capture_default_str();
  app.add_option("--address", raw.addresses, "Ours, with its prefix length, like 198.18.0.2/24; may be repeated")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--gateway", raw.gateways, "To what is not on our prefixes; one of each family")
      ->allow_extra_args(false);
  app.add_option("--mtu", raw.mtu, "Bytes of IP in a frame; the port's own")->check(CLI::Range(1280, 9216));
  app.add_option("--workers", config.workers, "Threads, each with a queue of the port and its share of the work")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--idle-policy", raw.idle, "Idle workers poll (for measurements), or sleep: adaptive")
      ->check(CLI::IsMember({"poll", "adaptive"}))
      ->capture_default_str();
  app.add_option("--rx-descriptors", config.device.rx_descriptors, "Of each queue")
      ->check(CLI::Range(64, 32'768))
      ->capture_default_str();
  app.add_option("--tx-descriptors", config.device.tx_descriptors, "Of each queue")
      ->check(CLI::Range(64, 32'768))
      ->capture_default_str();
  app.add_flag("--partial-checksums", config.device.partial_checksums,
               "memif: leaves UDP checksums to whoever takes frames out of memory");
  app.add_option("--file-prefix", config.eal.file_prefix, "Names this process among DPDK's")->capture_default_str();
  app.add_option("--hugepages", raw.hugepages, "auto, on or off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
}

// Everything behind "--" is for the EAL.
std::vector<const char*> cut_eal_arguments(int argc, const char* const* argv, Raw& raw) {
  std::vector<const char*> own(argv, argv + argc);
  const auto dashes =
      std::ranges::find(own, std::string_view("--"), [](const char* word) { return std::string_view(word); });
  if (dashes == own.end()) return own;
  raw.eal_arguments.assign(dashes + 1, own.end());
  own.erase(dashes, own.end());
  return own;
}

}  // namespace

CommandLine read_command_line(int argc, const char* const* argv) {
  Raw raw;
  Config config;
  config.eal.program = "viaduct-load";
  config.eal.file_prefix = "viaduct-load";
  const std::vector<const char*> words = cut_eal_arguments(argc, argv, raw);
  CLI::App app{kDescription};
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("viaduct-load ") + VIADUCT_VERSION);
  add_work_options(app, raw, config);
  add_protocol_options(app, raw, config);
  add_port_options(app, raw, config);
  app.add_option("--json", config.json_file,
                 "Writes the results to this file; \"-\": standard output, and nothing else");
  app.add_flag("--quiet,-q", config.quiet, "No progress on standard error");
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return {.config = {}, .exit_status = status == 0 ? 0 : 2};
  }
  if (const std::string problem = finish(raw, config); !problem.empty()) {
    std::cerr << "viaduct-load: " << problem << '\n';
    return {.config = {}, .exit_status = 2};
  }
  return {.config = std::move(config)};
}

}  // namespace viaduct::load
