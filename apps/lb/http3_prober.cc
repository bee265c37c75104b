#include "apps/lb/http3_prober.h"

#include <algorithm>
#include <format>
#include <utility>

#include "apps/http3/errors.h"

namespace viaduct::lb {
namespace {

// Of received datagrams: what a link of the usual size brings.
constexpr uint16_t kMostReceived = 1472;
constexpr uint16_t kRoom = kHeadroom + 1600;
constexpr uint32_t kHeadRoom = 1024;
// Streams, packets in flight and writes of one check: three streams of either side and a request.
constexpr uint32_t kStreamsOfCheck = 32, kPacketsOfCheck = 32, kWritesOfCheck = 16;
// RFC 9000 section 20.1: errors of TLS are its alerts on top of this.
constexpr uint64_t kTlsAlert = 0x100;
constexpr int kMostRounds = 64;

quic::EndpointConfig endpoint_config(uint32_t most, Duration timeout) {
  quic::EndpointConfig config;
  config.idle_timeout = config.handshake_timeout = timeout;
  config.connection_window = config.stream_window = 64 << 10;
  config.max_udp_payload = Http3Prober::kMostDatagram;
  config.max_receive_payload = kMostReceived;
  config.ecn = false;
  // What ended goes on for three probe timeouts, to say so again where it has to.
  const size_t connections = 4 * size_t{most} + 16;
  config.max_connections = config.max_half_open = config.max_half_open_per_prefix = connections;
  config.max_streams = size_t{kStreamsOfCheck} * connections;
  config.max_sent_packets = size_t{kPacketsOfCheck} * connections;
  config.max_writes = size_t{kWritesOfCheck} * connections;
  config.receive_slab_bytes = 4 << 20;
  config.max_held_packets = 16;
  config.max_datagrams = 1;
  config.event_slots = config.command_slots = 1024;
  return config;
}

template <class Secret>
Secret make_secret(Random& random) {
  Secret secret{};
  random.fill({reinterpret_cast<uint8_t*>(&secret), sizeof secret});
  return secret;
}

// What a client finds wrong with a certificate (RFC 8446 section 6).
std::string_view alert_name(uint64_t alert) {
  switch (alert) {
    case 42:
      return "certificate: bad, or not for this host";
    case 43:
      return "certificate: of a kind that is not supported";
    case 44:
      return "certificate: revoked";
    case 45:
      return "certificate: expired";
    case 46:
      return "certificate: not accepted";
    case 48:
      return "certificate: of an authority that is not trusted";
    case 112:
      return "the server knows no such host";
    case 120:
      return "the server does not speak h3";
    default:
      return {};
  }
}

std::string ending_of(uint64_t error, bool is_application_error, bool is_connected) {
  if (is_application_error) return std::format("the server closed the connection with HTTP/3 error {:#x}", error);
  if (error >= kTlsAlert && error < kTlsAlert + 256) {
    const std::string_view name = alert_name(error - kTlsAlert);
    return name.empty() ? std::format("TLS alert {}", error - kTlsAlert) : std::string(name);
  }
  if (error != 0) return std::format("the connection ended with QUIC error {:#x}", error);
  return is_connected ? "the connection ended before the response" : "handshake timed out";
}

}  // namespace

std::expected<std::unique_ptr<Http3Prober>, std::string> Http3Prober::make(const Http3Question& question,
                                                                           Duration timeout, uint32_t most) {
  std::string error;
  auto tls =
      crypto::make_tls_client({.ca_file = question.ca_file, .verify = !question.insecure, .alpn = {"h3"}}, error);
  if (!tls) return std::unexpected(error);
  auto protector = crypto::make_protector("", {.schedules = 2 * size_t{most}});
  return std::unique_ptr<Http3Prober>(new Http3Prober(question, timeout, most, std::move(tls), std::move(protector)));
}

Http3Prober::Http3Prober(const Http3Question& question, Duration timeout, uint32_t most,
                         std::unique_ptr<crypto::TlsContext> tls, std::unique_ptr<crypto::PacketProtector> protector)
    : question_(question),
      authority_(question.host.contains(':') ? std::format("[{}]", question.host) : question.host),
      most_(most),
      tls_(std::move(tls)),
      protector_(std::move(protector)),
      shard_secret_(make_secret<SipKey>(random_)),
      shards_(shard_secret_, 1, flowsteer::id_length(std::nullopt)),
      connection_ids_(std::nullopt, shard_secret_, 0, 1, random_),
      rooms_(kPackets * kRoom),
      packets_(kPackets),
      chunks_(8 * most, kHeadRoom),
      endpoint_(endpoint_config(most, timeout), {.protector = *protector_,
                                                 .tls_client = tls_.get(),
                                                 .connection_ids = connection_ids_,
                                                 .shards = shards_,
                                                 .random = random_,
                                                 .stateless_reset_key = make_secret<std::array<uint8_t, 32>>(random_)}),
      client_({.max_connections = 4 * most + 16, .max_requests = most, .max_gathered_sections = 16},
              endpoint_.channel(), chunks_, *this) {
  for (size_t i = 0; i < kPackets; ++i) {
    packets_[i] = {.buffer = rooms_.data() + i * kRoom, .capacity = kRoom, .path = {}};
    free_.push_back(&packets_[i]);
  }
}

// Connections give back what they hold of the chunks.
Http3Prober::~Http3Prober() {
  endpoint_.shut_down(now_);
  while (!checks_.empty()) end(checks_.begin()->first, {});
  run();
}

bool Http3Prober::ask(uint64_t token, const Path& path, Instant deadline, Instant now) {
  if (checks_.size() >= most_) return false;
  const auto connection = endpoint_.connect({.path = path, .server_name = question_.host, .cookie = token}, now);
  if (!connection) return false;
  checks_[token] = {.deadline = deadline, .connection = *connection};
  return true;
}

void Http3Prober::take(const Path& path, Bytes datagram, Instant now) {
  if (free_.empty() || datagram.size() > kMostReceived) return;
  Packet* packet = free_.back();
  free_.pop_back();
  packet->offset = kHeadroom;
  packet->length = static_cast<uint16_t>(datagram.size());
  packet->ecn = Ecn::kNotEct;
  packet->path = path;
  std::ranges::copy(datagram, packet->data());
  now_ = now;
  endpoint_.ingest({&packet, 1}, now);
  run();
}

// Until nobody has anything to say.
void Http3Prober::run() {
  for (int round = 0; round < kMostRounds; ++round) {
    const bool worked = endpoint_.step(now_);
    take_back();
    if (!client_.step() && !worked) return;
  }
}

void Http3Prober::step(Instant now, const Send& send) {
  now_ = now;
  end_overdue();
  do {
    run();
  } while (send_built(send));
}

bool Http3Prober::send_built(const Send& send) {
  Packet* burst[kBurst];
  const size_t count = std::min<size_t>(kBurst, free_.size());
  std::copy_n(free_.end() - static_cast<ptrdiff_t>(count), count, burst);
  for (Packet* packet : std::span(burst).first(count)) packet->offset = kHeadroom;
  const size_t built = endpoint_.build({burst, count}, now_);
  for (Packet* packet : std::span(burst).first(built)) send(packet->path, packet->bytes());
  return built > 0;
}

void Http3Prober::take_back() {
  for (Packet* packet : endpoint_.released()) free_.push_back(packet);
}

void Http3Prober::on_connected(quic::ConnectionHandle connection, uint64_t token) {
  const auto found = checks_.find(token);
  if (found == checks_.end()) return client_.close(connection);
  found->second.is_connected = true;
  const bool is_asked =
      client_.request(connection, {.authority = authority_, .path = question_.path, .fields = {}, .cookie = token});
  if (!is_asked) end(token, "no room for a request");
}

void Http3Prober::on_disconnected(quic::ConnectionHandle connection, uint64_t error, bool is_application_error) {
  const auto found =
      std::ranges::find_if(checks_, [&](const auto& entry) { return entry.second.connection == connection; });
  if (found != checks_.end()) end(found->first, ending_of(error, is_application_error, found->second.is_connected));
}

void Http3Prober::on_head(uint64_t token, const http3::ResponseHead& head) {
  const auto found = checks_.find(token);
  if (found != checks_.end() && !head.is_interim()) found->second.status = head.status;
}

// Of a request whose connection has ended, on_disconnected() says more.
void Http3Prober::on_end(uint64_t token, const http3::Ending& ending) {
  const auto found = checks_.find(token);
  if (found == checks_.end()) return;
  const uint16_t status = found->second.status;
  if (ending.is_reset) return end(token, std::format("the request was reset with HTTP/3 error {:#x}", ending.error));
  if (!ending.is_complete) return;
  const bool is_good = status >= question_.least_status && status <= question_.most_status;
  end(token, is_good ? std::string() : std::format("status {}", status));
}

// Its connection goes with it, whatever has become of that.
void Http3Prober::end(uint64_t token, std::string problem) {
  const auto found = checks_.find(token);
  const Check check = found->second;
  checks_.erase(found);
  results_.push_back({token, std::move(problem)});
  endpoint_.channel().commands.push(quic::Command{.type = quic::CommandType::kClose,
                                                  .connection = check.connection,
                                                  .error = static_cast<uint64_t>(http3::Error::kNoError)});
}

void Http3Prober::end_overdue() {
  std::vector<uint64_t> overdue;
  for (const auto& [token, check] : checks_) {
    if (now_ >= check.deadline) overdue.push_back(token);
  }
  for (const uint64_t token : overdue)
    end(token, checks_[token].is_connected ? "response timed out" : "handshake timed out");
}

std::vector<uint64_t> Http3Prober::open_questions() const {
  std::vector<uint64_t> tokens;
  tokens.reserve(checks_.size());
  for (const auto& [token, check] : checks_) tokens.push_back(token);
  return tokens;
}

std::vector<Http3Prober::Result> Http3Prober::take_results() { return std::exchange(results_, {}); }

}  // namespace viaduct::lb
