#include "tests/engine/endpoint/two_endpoints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace viaduct::quic::test {
namespace {

// Rounds in a row in which an endpoint had asked for its turn and did nothing with it: a timer without a purpose.
constexpr unsigned kMaxIdleRounds = 1'000;

}  // namespace

EndpointConfig small_config() {
  EndpointConfig config;
  config.max_connections = 16;
  config.max_half_open = 8;
  config.max_streams = 2048;
  config.max_sent_packets = 4096;
  config.max_writes = 4096;
  config.receive_slab_bytes = 8 << 20;
  config.max_held_packets = 64;
  config.event_slots = 1024;
  config.command_slots = 4096;
  return config;
}

std::vector<uint8_t> some_bytes(size_t size, uint8_t first) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

Side::Side(const EndpointConfig& config, crypto::TlsContext* server, crypto::TlsContext* client, uint64_t seed,
           uint8_t secret, Tracer* tracer)
    : random_(Random::from_seed(seed)),
      ids_(std::nullopt, SipKey{secret}, 0, 1, random_),
      shards_(SipKey{secret}, 1, ids_.length()) {
  EndpointServices services{.protector = protector_,
                            .tls_server = server,
                            .tls_client = client,
                            .connection_ids = ids_,
                            .shards = shards_,
                            .random = random_,
                            .tracer = tracer};
  services.stateless_reset_key.fill(secret);
  services.token_secret.fill(secret);
  endpoint_ = std::make_unique<Endpoint>(config, services);
}

void Side::ingest(const Datagram& datagram, Instant now) { ingest_all({datagram}, now); }

void Side::ingest_all(const std::vector<Datagram>& datagrams, Instant now) {
  std::vector<Packet*> burst;
  for (const Datagram& datagram : datagrams) {
    Packet* packet = pool_.take();
    packet->length = static_cast<uint16_t>(datagram.bytes.size());
    packet->path = datagram.path;
    packet->ecn = datagram.ecn;
    if (!datagram.bytes.empty()) std::memcpy(packet->data(), datagram.bytes.data(), datagram.bytes.size());
    burst.push_back(packet);
  }
  endpoint_->ingest(burst, now);
}

std::vector<Datagram> Side::round(Instant now) {
  endpoint_->step(now);
  take_events();
  std::vector<Datagram> sent;
  std::vector<Packet*> packets(64);
  packets.resize(pool_.take(packets));
  const size_t built = endpoint_->build(packets, now);
  for (size_t i = 0; i < built; ++i) {
    const auto bytes = packets[i]->bytes();
    sent.push_back({packets[i]->path, {bytes.begin(), bytes.end()}, packets[i]->ecn});
  }
  pool_.give_back(packets);
  pool_.give_back(endpoint_->released());
  return sent;
}

void Side::write(ConnectionHandle connection, uint64_t stream, std::vector<uint8_t> bytes, bool fin) {
  chunks.emplace_back(std::move(bytes));
  Chunk& chunk = chunks.back().chunk;
  command({.type = CommandType::kWrite,
           .fin = fin,
           .connection = connection,
           .length = chunk.size(),
           .stream = stream,
           .chunk = &chunk});
}

void Side::take_events() {
  Event event;
  while (endpoint_->channel().events.pop(event)) {
    if (event.type == EventType::kOpened) opened.push_back(event.connection);
    if (event.type == EventType::kReleased) released_bytes += event.length;
    if (event.type != EventType::kData) {
      events.push_back(event);
      continue;
    }
    auto& bytes = received[event.stream];
    if (event.early) early[event.stream] += event.length;
    if (event.length > 0) {
      bytes.insert(bytes.end(), event.data, event.data + event.length);
      const Command consume{
          .type = CommandType::kConsume, .connection = event.connection, .stream = event.stream, .token = event.token};
      if (consumes) {
        command(consume);
      } else {
        unconsumed.push_back(consume);
      }
    }
    if (event.fin) finished[event.stream] = true;
  }
}

void Side::say_next(std::vector<uint8_t> frames) {
  set_tamper([this, frames = std::move(frames), done = false](MutableBytes header, MutableBytes payload) mutable {
    if (!done && (header[0] & 0x80) == 0) done = replace_payload(payload, frames);
  });
}

const Event* Side::find(EventType type) const {
  const auto found = std::find_if(events.begin(), events.end(), [type](const Event& e) { return e.type == type; });
  return found == events.end() ? nullptr : &*found;
}
bool Side::saw(EventType type) const { return find(type) != nullptr; }

TwoEndpoints::TwoEndpoints(PairOptions options)
    : tls(viaduct::test::make_test_tls(options.tls)),
      client(options.client, nullptr, options.real_client ? options.real_client : tls.get(), options.seed, 1),
      server(options.server, options.real_server ? options.real_server : tls.get(), nullptr, options.seed + 1, 2,
             options.server_tracer) {}

ConnectionHandle TwoEndpoints::connect(uint64_t cookie) {
  const ConnectOptions options{.path = client_path, .server_name = "server.test", .cookie = cookie, .memory = &memory};
  return client.endpoint().connect(options, now).value();
}

ConnectionHandle TwoEndpoints::connect_and_open() {
  const size_t before = server.opened.size();
  const ConnectionHandle handle = connect();
  EXPECT_TRUE(
      run_until([&] { return std::ranges::count(client.opened, handle) > 0 && server.opened.size() > before; }));
  return handle;
}

void TwoEndpoints::send(bool to_server, std::vector<Datagram> datagrams) {
  for (Datagram& datagram : datagrams) {
    std::swap(datagram.path.local, datagram.path.remote);
    if (filter && !filter(to_server, datagram)) continue;
    if (record) (to_server ? sent_to_server : sent_to_client).push_back(datagram);
    travelling_.push_back({now + delay, to_server, std::move(datagram)});
  }
}

bool TwoEndpoints::deliver() {
  bool any = false;
  std::vector<Datagram> for_server, for_client;
  while (!travelling_.empty() && travelling_.front().at <= now) {
    Arrival& arrival = travelling_.front();
    (arrival.to_server ? for_server : for_client).push_back(std::move(arrival.datagram));
    travelling_.pop_front();
    any = true;
  }
  server.ingest_all(for_server, now);
  client.ingest_all(for_client, now);
  return any;
}

bool TwoEndpoints::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now + limit;
  unsigned idle_rounds = 0;
  while (!done()) {
    bool busy = deliver();
    for (const bool to_server : {true, false}) {
      Side& side = to_server ? client : server;
      auto sent = side.round(now);
      busy |= !sent.empty() || !side.endpoint().channel().commands.empty();
      send(to_server, std::move(sent));
    }
    if (busy || done()) {
      idle_rounds = 0;
      continue;
    }
    Instant next = std::min(client.endpoint().deadline(), server.endpoint().deadline());
    if (!travelling_.empty()) next = std::min(next, travelling_.front().at);
    if (next > end) {
      now = end;
      return done();
    }
    idle_rounds = next <= now ? idle_rounds + 1 : 0;
    if (idle_rounds > kMaxIdleRounds) {
      ADD_FAILURE() << "an endpoint wants to run again and again with nothing to do";
      return false;
    }
    now = std::max(next, now + Duration::microseconds(1));
  }
  return true;
}

bool TwoEndpoints::handshake() {
  connect();
  return run_until([&] { return !client.opened.empty() && !server.opened.empty(); });
}

}  // namespace viaduct::quic::test
