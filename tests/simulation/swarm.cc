#include "tests/simulation/swarm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/siphash.h"

namespace viaduct::sim {
namespace {

constexpr Duration kTimeLimit = Duration::seconds(1'500);

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(Random::from_seed(seed ^ 0x5a5a5a5a)) {}

  uint64_t between(uint64_t least, uint64_t most) { return least + random_.below(most - least + 1); }
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  double fraction() { return static_cast<double>(random_.below(1'000'001)) / 1e6; }
  // As often between 10 and 100 as between 1,000 and 10,000.
  uint64_t magnitude(uint64_t least, uint64_t most) {
    const double low = std::log(static_cast<double>(least)), high = std::log(static_cast<double>(most));
    return static_cast<uint64_t>(std::exp(low + fraction() * (high - low)));
  }
  Duration milliseconds(uint64_t least, uint64_t most) {
    return Duration::microseconds(static_cast<int64_t>(between(least * 1'000, most * 1'000)));
  }

 private:
  Random random_;
};

LinkConfig draw_link(Draw& draw) {
  LinkConfig link;
  link.bits_per_second = draw.one_in(8) ? 0 : draw.magnitude(500'000, 1'000'000'000);
  link.queue_packets = draw.magnitude(10, 2'000);
  link.delay = draw.milliseconds(0, draw.one_in(4) ? 300 : 40);
  if (draw.one_in(3)) link.jitter = draw.milliseconds(0, 20);
  if (draw.one_in(4)) link.mtu = draw.between(1'280, 1'500);
  if (draw.one_in(3)) link.loss = 0.08 * draw.fraction();
  if (draw.one_in(4)) link.bursts = {.enter_bad = 0.01 * draw.fraction(), .leave_bad = 0.2 + 0.8 * draw.fraction()};
  if (draw.one_in(4)) link.corruption = 0.05 * draw.fraction();
  if (draw.one_in(4)) link.duplication = 0.2 * draw.fraction();
  if (draw.one_in(4)) {
    link.reordering = 0.1 * draw.fraction();
    link.reorder_delay = draw.milliseconds(0, 60);
  }
  if (draw.one_in(4)) link.mark_above = draw.magnitude(2, 200);
  if (draw.one_in(8)) link.bleach_ecn = true;
  if (draw.one_in(4)) link.loss_mask = draw.between(0, 255);
  return link;
}

quic::EndpointConfig draw_endpoint(Draw& draw) {
  quic::EndpointConfig config = small_endpoint();
  // A dozen lost datagrams in a row, which the drawn masks and bursts can bring, are minutes of backoff (RFC 9002
  // section 6.2.1): giving up earlier would be right, and no fault to be found.
  config.handshake_timeout = config.idle_timeout = Duration::seconds(600);
  config.connection_window = draw.magnitude(2'000, 500'000);
  config.stream_window = draw.magnitude(1'000, 500'000);
  config.max_streams_bidi = draw.magnitude(1, 100);
  config.max_streams_uni = draw.magnitude(1, 100);
  config.active_connection_ids = draw.between(2, 8);
  config.max_ack_delay = draw.milliseconds(5, 50);
  config.max_udp_payload = static_cast<uint16_t>(draw.between(1'200, 1'452));
  config.congestion = static_cast<quic::ControllerKind>(draw.between(0, 2));
  config.packets_per_visit = static_cast<unsigned>(draw.between(1, 32));
  config.tls_steps_per_loop = static_cast<unsigned>(draw.between(1, 8));
  config.commands_per_loop = static_cast<unsigned>(draw.magnitude(4, 1'024));
  config.max_held_packets = draw.one_in(2) ? 0 : draw.between(1, 256);
  config.event_slots = draw.magnitude(16, 4'096);
  config.command_slots = draw.magnitude(16, 4'096);
  return config;
}

std::vector<Transfer> draw_transfers(Draw& draw, uint64_t budget) {
  std::vector<Transfer> transfers(draw.magnitude(1, 40));
  for (Transfer& transfer : transfers) {
    const uint64_t most = std::max<uint64_t>(budget / transfers.size(), 2);
    transfer.unidirectional = draw.one_in(6);
    if (!transfer.unidirectional && !draw.one_in(5)) transfer.download = draw.magnitude(1, most);
    if (transfer.unidirectional || draw.one_in(3)) transfer.upload = draw.magnitude(1, most);
    if (!transfer.unidirectional && draw.one_in(12)) transfer.abandon_after = draw.between(1, most);
  }
  return transfers;
}

TransferOptions draw_options(Draw& draw) {
  TransferOptions options;
  options.write_size = static_cast<uint32_t>(draw.magnitude(50, Content::kLongest));
  options.write_ahead = draw.magnitude(1'000, 500'000);
  if (draw.one_in(4)) options.consume_delay = draw.milliseconds(0, 100);
  return options;
}

// What a handshake may be beside the plain one.
void draw_handshake(Draw& draw, ScenarioConfig& config) {
  using quic::kVersion1, quic::kVersion2;
  quic::EndpointConfig &client = config.client_endpoint, &server = config.server_endpoint;
  if (draw.one_in(4)) server.retry = quic::RetryPolicy::kAlways;
  server.retry_token_life = server.handshake_timeout;
  if (draw.one_in(3)) client.versions = {kVersion2, kVersion1};
  if (draw.one_in(4)) server.preferred_version = draw.one_in(2) ? kVersion1 : kVersion2;
  // A Version Negotiation packet has no protection: one that was changed may end a connection (RFC 9368 section 4).
  if (config.to_client.corruption == 0 && draw.one_in(6)) server.versions = {draw.one_in(2) ? kVersion1 : kVersion2};
  client.scramble_initials = draw.one_in(3);
  if (draw.one_in(4)) server.loss_tolerance = client.loss_tolerance = 0.02 * draw.fraction();
}

// A client that moves, because its server prefers another address or it wants to itself.
void draw_moves(Draw& draw, ScenarioConfig& config) {
  if (draw.one_in(5)) config.server_endpoint.preferred_v4 = {config.server_ip, 8'443};
  if (!config.rebindings.empty() || !draw.one_in(3)) return;
  Duration after;
  for (uint64_t i = draw.between(1, 6); i > 0; --i) {
    after += draw.milliseconds(0, 2'000);
    IpAddress ip = config.client_ip;
    if (draw.one_in(2)) ip.bytes.back() = static_cast<uint8_t>(ip.bytes.back() + i);
    config.moves.push_back({after, {ip, static_cast<uint16_t>(draw.between(20'000, 30'000))}});
  }
}

}  // namespace

ScenarioConfig draw_scenario(uint64_t seed, bool real_tls) {
  Draw draw(seed);
  ScenarioConfig config;
  config.seed = seed;
  config.real_tls = real_tls;
  config.to_server = draw_link(draw);
  config.to_client = draw_link(draw);
  if (draw.one_in(5)) {
    for (LinkConfig* link : {&config.to_server, &config.to_client}) {
      const Instant from = Simulation::kStart + draw.milliseconds(0, 3'000);
      link->blackholes.push_back({from, from + draw.milliseconds(1, 2'000)});
    }
  }
  if (draw.one_in(3)) {
    Duration after;
    for (uint64_t i = draw.between(1, 4); i > 0; --i) {
      after += draw.milliseconds(0, 3'000);
      config.rebindings.push_back({after, draw.one_in(2)});
    }
  }
  config.client_endpoint = draw_endpoint(draw);
  config.server_endpoint = draw_endpoint(draw);
  config.server_workers = static_cast<unsigned>(draw.magnitude(1, 5));
  config.pool_packets = 1'024;
  config.connections = draw.magnitude(1, 10);
  if (draw.one_in(2)) {
    config.server_identity.emplace();
    config.server_identity->config = {.id = 3, .server_id_length = 3, .nonce_length = 8};
    if (draw.one_in(2)) config.server_identity->config.key.emplace().fill(static_cast<uint8_t>(seed));
    if (draw.one_in(4)) config.server_identity->max_ids = draw.between(0, 20);
  }
  config.client.transfers = draw_transfers(draw, draw.magnitude(100, 1'000'000) / config.connections);
  if (!config.rebindings.empty()) config.client.heartbeat = draw.milliseconds(100, 2'000);
  config.client.parallel = draw.magnitude(1, 50);
  config.client.transfer = draw_options(draw);
  config.server = draw_options(draw);
  config.tls.aead = static_cast<crypto::Aead>(draw.between(0, 2));
  config.tls.client_hello_size = draw.magnitude(250, 4'000);
  config.tls.server_hello_size = draw.magnitude(90, 1'300);
  config.tls.server_flight_size = draw.magnitude(500, 10'000);
  for (quic::EndpointConfig* endpoint : {&config.client_endpoint, &config.server_endpoint}) {
    if (draw.one_in(4)) endpoint->key_update_after = draw.magnitude(10, 2'000);
  }
  draw_handshake(draw, config);
  draw_moves(draw, config);
  return config;
}

void print_datagram(const Simulation& simulation, const char* what, const Datagram& datagram) {
  std::printf("%10.3f ms %-9s %s:%u > %s:%u %5zu bytes, first %02x\n",
              static_cast<double>((simulation.now() - Simulation::kStart).us()) / 1e3, what,
              datagram.from.ip.to_string().c_str(), datagram.from.port, datagram.to.ip.to_string().c_str(),
              datagram.to.port, datagram.payload.size(), datagram.payload.empty() ? 0u : datagram.payload.front());
}

uint64_t run_drawn_scenario(uint64_t seed, bool real_tls, bool print) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << (real_tls ? ", OpenSSL" : ""));
  Scenario scenario(draw_scenario(seed, real_tls));
  Simulation& simulation = scenario.simulation();
  if (print) {
    simulation.add_sent_tap([&](const Datagram& datagram) { print_datagram(simulation, "sent", datagram); });
    simulation.add_delivered_tap([&](const Datagram& datagram) { print_datagram(simulation, "delivered", datagram); });
  }
  scenario.expect_success(kTimeLimit);
  return siphash(SipKey{}, scenario.trace());
}

}  // namespace viaduct::sim
