// An endpoint, and a peer whose packets carry what the fuzzer wrote, under valid protection.
//
// Byte 0: bit 0, the client is the attacker; bits 1 and 2, in which packets: Initial, Handshake, 0-RTT and 1-RTT, or
// any datagram without protection; bit 3, the server asks for the client's address with a Retry; bit 4, the client
// moves to another port before each piece; bit 5, a translator gives it another; bits 6 and 7, if both are set, the
// client has met the server before and begins with 0-RTT. Then pieces, each a byte of length (in units of four) and the
// frames of one packet.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/simulation/real_tls.h"

namespace viaduct::fuzz {
namespace {

using namespace quic;
using quic::test::Datagram;
using quic::test::PairOptions;
using quic::test::Side;
using quic::test::TwoEndpoints;

enum class Phase : uint8_t { kInitial, kHandshake, kApplication, kRaw };

struct Plan {
  explicit Plan(uint8_t first)
      : by_client((first & 1) != 0),
        phase(static_cast<Phase>(first >> 1 & 3)),
        retry((first & 8) != 0),
        moves((first & 16) != 0),
        is_translated((first & 32) != 0),
        early(first >> 6 == 3) {}
  bool by_client;
  Phase phase;
  bool retry, moves, is_translated, early;
};

constexpr unsigned kMaxPieces = 12;
// By then every timer that a peer can stretch has come.
constexpr Duration kEnd = Duration::seconds(3'600);

// A translator's ports follow those of the client by so much for each change.
constexpr uint16_t kPortStep = 1'000;

EndpointConfig tiny(const Plan& plan) {
  EndpointConfig config;
  config.max_connections = 2;
  config.max_half_open = 2;
  config.max_streams = 32;
  config.max_streams_bidi = config.max_streams_uni = 8;
  config.max_sent_packets = 512;
  config.max_writes = 64;
  config.connection_window = 32 << 10;
  config.stream_window = 16 << 10;
  config.receive_slab_bytes = 128 << 10;
  config.max_held_packets = 8;
  config.max_datagram_frame_size = 1'200;
  config.max_datagrams = 16;
  config.max_datagrams_of_connection = 8;
  config.event_slots = 256;
  config.command_slots = 256;
  if (plan.retry) config.retry = RetryPolicy::kAlways;
  return config;
}

// OpenSSL's TLS, new for each input, so that none depends on what came before it.
struct RealTls {
  explicit RealTls(const Plan& plan) {
    if (!plan.early) return;
    sim::seed_openssl(1);
    client = sim::make_real_tls_client({.early_data = true});
    server = sim::make_real_tls_server({.early_data = true, .early_data_context = "as ever"});
  }
  std::unique_ptr<crypto::TlsContext> client, server;
};

class Attack {
 public:
  Attack(Bytes input, const Plan& plan)
      : input_(input),
        plan_(plan),
        tls_(plan),
        pair_(PairOptions{.client = tiny(plan),
                          .server = tiny(plan),
                          .real_server = tls_.server.get(),
                          .real_client = tls_.client.get()}),
        attacker_(plan.by_client ? pair_.client : pair_.server),
        victim_(plan.by_client ? pair_.server : pair_.client) {}

  void run() {
    if (plan_.early) meet();
    if (plan_.is_translated)
      pair_.filter = [this](bool to_server, Datagram& datagram) { return translate(to_server, datagram); };
    if (plan_.phase != Phase::kRaw) {
      attacker_.set_tamper([this](MutableBytes header, MutableBytes payload) { spoil(header[0], payload); });
    }
    const ConnectionHandle connection = pair_.connect();
    if (plan_.early) pair_.client.write(connection, 0, std::vector<uint8_t>(2'000, 3), false);
    pair_.run_until([this] { return is_open() || is_closed(); }, Duration::seconds(12));
    if (is_open()) {
      // Something that is under way while the rest comes.
      victim_.write(victim_.opened[0], &victim_ == &pair_.client ? 0 : 1, std::vector<uint8_t>(5'000, 1), true);
    }
    for (unsigned i = 0; i < kMaxPieces && !input_.empty() && !is_closed(); ++i) say_more(i);
    finish();
  }

 private:
  bool is_open() const { return !pair_.client.opened.empty() && !pair_.server.opened.empty(); }
  bool is_closed() const { return victim_.saw(EventType::kClosed) || attacker_.saw(EventType::kClosed); }

  bool is_in_phase(uint8_t first_octet) const {
    if ((first_octet & 0x80) == 0) return plan_.phase == Phase::kApplication;
    const PacketType type = packet_type(kVersion1, first_octet >> 4 & 3);
    if (type == PacketType::kZeroRtt) return plan_.phase == Phase::kApplication;
    return type == PacketType::kInitial ? plan_.phase == Phase::kInitial
                                        : type == PacketType::kHandshake && plan_.phase == Phase::kHandshake;
  }

  Bytes next_piece(size_t room) {
    const size_t wanted = size_t{input_.u8()} * 4;
    return input_.bytes(std::min({wanted, room, input_.remaining()}));
  }

  void spoil(uint8_t first_octet, MutableBytes payload) {
    if (input_.empty() || !is_in_phase(first_octet)) return;
    const Bytes piece = next_piece(payload.size());
    if (piece.empty()) return;
    std::copy(piece.begin(), piece.end(), payload.begin());
    std::fill(payload.begin() + static_cast<ptrdiff_t>(piece.size()), payload.end(), uint8_t{0});
  }

  // A connection as others are, for its ticket.
  void meet() {
    const ConnectionHandle handle = pair_.connect_and_open();
    pair_.run_for(Duration::milliseconds(200));
    pair_.client.command({.type = CommandType::kClose, .connection = handle});
    pair_.run_for(Duration::seconds(1));
    for (Side* side : {&pair_.client, &pair_.server}) {
      side->events.clear();
      side->opened.clear();
    }
  }

  bool translate(bool to_server, Datagram& datagram) const {
    uint16_t& port = to_server ? datagram.path.remote.port : datagram.path.local.port;
    port = static_cast<uint16_t>(to_server ? port + translation_ : port - translation_);
    const uint16_t base = quic::test::kClientPath.local.port;
    return to_server || (port >= base && port < base + kPortStep);
  }

  void change_address(unsigned i) {
    if (plan_.is_translated) translation_ = static_cast<uint16_t>(kPortStep * i);
    if (!plan_.moves || !is_open()) return;
    SocketAddress local = quic::test::kClientPath.local;
    local.port = static_cast<uint16_t>(local.port + i);
    pair_.client.endpoint().move(pair_.client.opened[0], local, pair_.now);
  }

  void say_more(unsigned i) {
    change_address(i);
    if (plan_.phase == Phase::kRaw) {
      const Bytes piece = next_piece(1'200);
      Datagram datagram{.path = kPath, .bytes = {piece.begin(), piece.end()}};
      if (&victim_ == &pair_.client) std::swap(datagram.path.local, datagram.path.remote);
      if (!piece.empty()) victim_.ingest(datagram, pair_.now);
    } else if (is_open()) {
      // A packet with room for any piece.
      const uint64_t stream = (&attacker_ == &pair_.client ? 2 : 3) + 4 * i;
      attacker_.write(attacker_.opened[0], stream, std::vector<uint8_t>(1'100, 2), false);
    }
    pair_.run_for(Duration::milliseconds(30));
    consume_datagrams();
  }

  // What came in DATAGRAM frames, given back later than it could be.
  void consume_datagrams() {
    for (; consumed_ < victim_.events.size(); ++consumed_) {
      const Event& event = victim_.events[consumed_];
      if (event.type != EventType::kDatagram) continue;
      victim_.command({.type = CommandType::kConsume, .connection = event.connection, .token = event.token});
    }
  }

  // Whatever came, the victim comes to its end and keeps nothing.
  void finish() {
    attacker_.set_tamper({});
    victim_.endpoint().shut_down(pair_.now);
    attacker_.endpoint().shut_down(pair_.now);
    const auto is_over = [this] {
      consume_datagrams();
      return victim_.endpoint().is_empty() && attacker_.endpoint().is_empty();
    };
    require(pair_.run_until(is_over, kEnd), "both come to their end");
    pair_.run_for(Duration::milliseconds(1));
    for (const PoolGauge& gauge : victim_.endpoint().pools()) require(gauge.used == 0, "pools are at their baseline");
    require(victim_.stats().owner_violations == 0, "one thread");
  }

  static constexpr Path kPath{quic::test::kClientPath.remote, quic::test::kClientPath.local};

  ByteReader input_;
  const Plan plan_;
  RealTls tls_;
  TwoEndpoints pair_;
  Side& attacker_;
  Side& victim_;
  size_t consumed_ = 0;  // of the victim's events
  uint16_t translation_ = 0;
};

}  // namespace
}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  testing::InitGoogleTest();
  GTEST_FLAG_SET(break_on_failure, true);  // what the pair of endpoints itself finds wrong
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct::fuzz;
  if (size == 0) return 0;
  Attack({data + 1, size - 1}, Plan(data[0])).run();
  return 0;
}
