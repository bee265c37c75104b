// garbage: a client that does everything wrong, for a while and within a rate. Half of what it sends is bytes that no
// peer would send (random, and truncated or bit-flipped copies of real traffic); the other half is wrong frames behind
// valid protection, from connections that it opens for that.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "crypto-offload/tls_session.h"
#include "engine/endpoint/endpoint.h"
#include "flowsteer/connection_id_codec.h"
#include "flowsteer/shard_map.h"
#include "tests/soak/mangling_protector.h"
#include "tests/soak/socket_port.h"

namespace viaduct::testing {
namespace {

struct Options {
  SocketAddress target;
  SocketAddress local;
  unsigned seconds = 10;
  unsigned rate = 20'000;  // datagrams a second of each half
  uint64_t seed = 1;
  unsigned connections = 64;
};

// The newest datagrams of real traffic, for copies that are nearly right.
class Recording {
 public:
  void remember(std::span<const uint8_t> bytes) {
    auto& slot = slots_[next_++ % slots_.size()];
    slot.assign(bytes.begin(), bytes.end());
  }
  const std::vector<uint8_t>& any(Random& random) const {
    return slots_[random.below(std::max<size_t>(1, std::min(next_, slots_.size())))];
  }

 private:
  std::array<std::vector<uint8_t>, 256> slots_;
  size_t next_ = 0;
};

// One datagram that no peer would send.
std::vector<uint8_t> garbage(Random& random, const Recording& recording) {
  std::vector<uint8_t> bytes;
  const uint64_t kind = random.below(4);
  if (kind < 2) bytes = recording.any(random);
  if (kind == 0 && !bytes.empty()) {
    bytes.resize(1 + random.below(bytes.size()));  // truncated
  } else if (kind == 1 && !bytes.empty()) {        // bit-flipped
    for (uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
      bytes[random.below(bytes.size())] ^= static_cast<uint8_t>(1u << random.below(8));
    }
  } else {
    bytes.resize(1 + random.below(1400));
    random.fill(bytes);
    if (kind == 3 && bytes.size() > 6) {  // random behind a header that looks like QUIC version 1
      bytes[0] |= 0xc0;
      bytes[1] = bytes[2] = bytes[3] = 0;
      bytes[4] = 1;
      bytes[5] = static_cast<uint8_t>(random.below(21));
    }
  }
  return bytes;
}

// HTTP/3 requests for "/" in the simplest encoding: a HEADERS frame of QPACK static entries.
constexpr uint8_t kControl[] = {0x00, 0x04, 0x00};
constexpr uint8_t kRequest[] = {0x01, 0x12, 0x00, 0x00, 0xd1, 0xd7, 0xc1, 0x50, 0x0b, 'o',
                                'r',  'i',  'g',  'i',  'n',  '.',  't',  'e',  's',  't'};

void keep(Chunk*) {}

// Connections to the target whose packets are mangled behind their protection.
class Mangler {
 public:
  Mangler(const Options& options, Random& random, crypto::TlsContext& tls)
      : options_(options),
        port_(options.local),
        protector_(options.seed, 64, 4),
        random_(random),
        ids_(std::nullopt, SipKey{}, 0, 1, random),
        shards_(SipKey{}, 1, ids_.length()),
        endpoint_(config(options), services(tls)),
        control_(kControl, sizeof kControl, keep),
        request_(kRequest, sizeof kRequest, keep) {}

  bool ok() const { return port_.ok(); }
  SocketPort& port() { return port_; }
  uint64_t sent() const { return sent_; }
  uint64_t mangled() const { return protector_.mangled(); }
  uint64_t opened() const { return opened_; }

  // One round: what came, what is to be done, and at most `budget` datagrams out.
  void round(Instant now, size_t budget, Recording& recording) {
    std::array<Packet*, kBurst> burst;
    endpoint_.ingest(std::span(burst).first(port_.receive(burst)), now);
    port_.release(endpoint_.released());
    while (live_ < options_.connections && connect(now)) ++live_;
    endpoint_.step(now);
    port_.release(endpoint_.released());
    application();
    const size_t room = port_.allocate(std::span(burst).first(std::min<size_t>(budget, kBurst)));
    const size_t built = endpoint_.build(std::span(burst).first(room), now);
    for (size_t i = 0; i < built; ++i) recording.remember(burst[i]->bytes());
    const size_t gone = port_.send(std::span(burst).first(built));
    port_.release(std::span(burst).subspan(gone, room - gone));
    sent_ += gone;
  }

 private:
  static quic::EndpointConfig config(const Options& options) {
    quic::EndpointConfig config;
    config.max_connections = options.connections * 8;
    config.idle_timeout = Duration::seconds(2);
    config.receive_slab_bytes = 16 << 20;
    return config;
  }
  quic::EndpointServices services(crypto::TlsContext& tls) {
    return {.protector = protector_, .tls_client = &tls, .connection_ids = ids_, .shards = shards_, .random = random_};
  }

  bool connect(Instant now) {
    quic::ConnectOptions connect;
    connect.path = {port_.local(), options_.target};
    connect.path.local.ip = options_.local.ip;
    connect.server_name = "origin.example";
    return endpoint_.connect(connect, now).has_value();
  }

  void application() {
    auto& channel = endpoint_.channel();
    quic::Event event;
    while (channel.commands.room() > 16 && channel.events.pop(event)) {
      if (event.type == quic::EventType::kClosed) --live_;
      if (event.type == quic::EventType::kOpened) ask(event.connection);
      if (event.type == quic::EventType::kData && event.token != 0) {
        channel.commands.push({.type = quic::CommandType::kConsume,
                               .connection = event.connection,
                               .stream = event.stream,
                               .token = event.token});
      }
    }
  }
  void ask(quic::ConnectionHandle connection) {
    ++opened_;
    write(connection, 2, control_, false);
    for (uint64_t stream = 0; stream < 32; stream += 4) write(connection, stream, request_, true);
  }
  void write(quic::ConnectionHandle connection, uint64_t stream, Chunk& chunk, bool fin) {
    chunk.hold();
    endpoint_.channel().commands.push({.type = quic::CommandType::kWrite,
                                       .fin = fin,
                                       .connection = connection,
                                       .length = chunk.size(),
                                       .stream = stream,
                                       .chunk = &chunk});
  }

  const Options& options_;
  SocketPort port_;
  ManglingProtector protector_;
  Random& random_;
  flowsteer::ConnectionIdCodec ids_;
  flowsteer::ShardMap shards_;
  quic::Endpoint endpoint_;
  Chunk control_;
  Chunk request_;
  size_t live_ = 0;
  uint64_t sent_ = 0;
  uint64_t opened_ = 0;
};

// How many datagrams of each half are due by now and not sent yet.
size_t due(Instant start, Instant now, unsigned rate, uint64_t sent) {
  const auto allowed = static_cast<uint64_t>((now - start).seconds() * rate);
  return allowed > sent ? allowed - sent : 0;
}

int run(const Options& options) {
  Random random = Random::from_seed(options.seed);
  std::string error;
  const auto tls = crypto::make_tls_client({.verify = false, .alpn = {"h3"}}, error);
  if (!tls) {
    std::cerr << "garbage: " << error << "\n";
    return 1;
  }
  Mangler mangler(options, random, *tls);
  if (!mangler.ok()) {
    std::cerr << "garbage: cannot bind to " << options.local.to_string() << "\n";
    return 1;
  }
  Recording recording;
  uint64_t garbage_sent = 0;
  const Instant start = MonotonicClock::now();
  Instant now = start;
  while (now - start < Duration::seconds(options.seconds)) {
    now = MonotonicClock::now();
    mangler.round(now, due(start, now, options.rate, mangler.sent()), recording);
    // As much of the one as of the other, whatever the connections manage to send.
    const size_t count =
        std::min<size_t>(due(start, now, options.rate, garbage_sent), mangler.sent() > garbage_sent ? kBurst : 0);
    for (size_t i = 0; i < count; ++i) mangler.port().send_bytes(garbage(random, recording), options.target);
    garbage_sent += count;
    if (count == 0) mangler.port().wait(now + Duration::milliseconds(1));
  }
  std::printf("{\"garbage\": %llu, \"behind_protection\": %llu, \"mangled\": %llu, \"connections\": %llu}\n",
              static_cast<unsigned long long>(garbage_sent), static_cast<unsigned long long>(mangler.sent()),
              static_cast<unsigned long long>(mangler.mangled()), static_cast<unsigned long long>(mangler.opened()));
  return 0;
}

bool parse_address(const std::string& text, SocketAddress& address) {
  const auto parsed = SocketAddress::parse(text);
  if (parsed) address = *parsed;
  return parsed.has_value();
}

}  // namespace
}  // namespace viaduct::testing

int main(int argc, char** argv) {
  using namespace viaduct::testing;
  Options options;
  std::string target, local = "0.0.0.0:0";
  CLI::App app("Sends wrong datagrams, and wrong frames behind valid protection, to one QUIC server.");
  app.add_option("--target", target, "ADDRESS:PORT of the server")->required();
  app.add_option("--local", local, "ADDRESS:PORT to send from; the port may be 0")->required();
  app.add_option("--seconds", options.seconds, "how long")->capture_default_str();
  app.add_option("--rate", options.rate, "datagrams a second of each kind")->capture_default_str();
  app.add_option("--seed", options.seed, "of everything that is drawn at random")->capture_default_str();
  app.add_option("--connections", options.connections, "open at a time")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (!parse_address(target, options.target) || !parse_address(local, options.local)) {
    std::cerr << "garbage: --target and --local take ADDRESS:PORT\n";
    return 1;
  }
  return run(options);
}
