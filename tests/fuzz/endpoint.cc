// An endpoint, and a peer whose packets carry what the fuzzer wrote, under valid protection.
//
// Byte 0: bit 0, the client is the attacker; bits 1 and 2, in which packets: Initial, Handshake, 1-RTT, or any datagram
// without protection. Then pieces, each a byte of length (in units of four) and the frames of one packet.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/engine/endpoint/two_endpoints.h"
#include "tests/fuzz/fuzz_target.h"

namespace viaduct::fuzz {
namespace {

using namespace quic;
using quic::test::Datagram;
using quic::test::PairOptions;
using quic::test::Side;
using quic::test::TwoEndpoints;

enum class Phase : uint8_t { kInitial, kHandshake, kOneRtt, kRaw };

constexpr unsigned kMaxPieces = 12;
// By then every timer that a peer can stretch has come.
constexpr Duration kEnd = Duration::seconds(3'600);

EndpointConfig tiny() {
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
  return config;
}

class Attack {
 public:
  Attack(Bytes input, bool by_client, Phase phase)
      : input_(input),
        phase_(phase),
        pair_(PairOptions{.client = tiny(), .server = tiny()}),
        attacker_(by_client ? pair_.client : pair_.server),
        victim_(by_client ? pair_.server : pair_.client) {}

  void run() {
    if (phase_ != Phase::kRaw) {
      attacker_.set_tamper([this](MutableBytes header, MutableBytes payload) { spoil(header[0], payload); });
    }
    pair_.connect();
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
    if ((first_octet & 0x80) == 0) return phase_ == Phase::kOneRtt;
    const unsigned type = first_octet >> 4 & 3;
    return type == 0 ? phase_ == Phase::kInitial : type == 2 && phase_ == Phase::kHandshake;
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

  void say_more(unsigned i) {
    if (phase_ == Phase::kRaw) {
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
  const Phase phase_;
  TwoEndpoints pair_;
  Side& attacker_;
  Side& victim_;
  size_t consumed_ = 0;  // of the victim's events
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
  Attack({data + 1, size - 1}, (data[0] & 1) != 0, static_cast<Phase>(data[0] >> 1 & 3)).run();
  return 0;
}
