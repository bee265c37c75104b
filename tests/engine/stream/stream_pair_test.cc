// Two sets against each other over packets that are lost, doubled and reordered: every stream ends as it should, with
// every byte where it belongs, and nothing is left behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/engine/stream/stream_fixture.h"

namespace viaduct::quic {
namespace {

constexpr size_t kPacket = 300;

struct Packet {
  std::vector<uint8_t> payload;
  std::vector<SentFrame> records;
};

// What one side has sent and received on a stream.
struct Transfer {
  uint64_t written = 0;
  uint64_t read = 0;
  bool ended = false;     // by us
  bool reset = false;     // by us, or at the peer's wish
  bool finished = false;  // the peer's part: its end or reset was told
  bool stopped = false;   // we asked the peer to stop
};

class Side {
 public:
  Side(Role role, const StreamLimits& limits, const StreamCapacities& capacities, std::mt19937_64& random)
      : role_(role), random_(random), fixture_(role, limits, capacities) {
    fixture_.streams.set_peer_limits(parameters_of(limits));
  }

  // One random thing an application does.
  void act() {
    const uint64_t id = pick_stream();
    Transfer& transfer = transfers_[id];
    const bool sends = can_send(id, role_) && !transfer.ended && !transfer.reset;
    switch (below(10)) {
      case 0:
        if (!sends || below(4) > 0) return;
        fixture_.streams.reset(id, 1);
        transfer.reset = opened_.contains(id);
        return;
      case 1:
        if (!can_receive(id, role_) || below(4) > 0 || !opened_.contains(id) || transfer.finished) return;
        fixture_.streams.stop_sending(id, 2);
        transfer.stopped = true;
        return;
      case 2:
        fixture_.consume_all();
        return;
      default:
        if (sends) write(id, transfer, below(8) == 0);
    }
  }

  void read_events() {
    while (const auto event = fixture_.next_event()) {
      Transfer& transfer = transfers_[event->stream];
      switch (event->type) {
        case EventType::kData:
          opened_.insert(event->stream);
          ASSERT_FALSE(transfer.finished || transfer.stopped);
          ASSERT_TRUE(is_pattern(transfer.read, {event->data, event->length}));
          transfer.read += event->length;
          transfer.finished = event->fin;
          break;
        case EventType::kReset:
          opened_.insert(event->stream);
          ASSERT_FALSE(transfer.finished);
          transfer.finished = true;
          break;
        case EventType::kStopSending:
          opened_.insert(event->stream);
          transfer.reset = true;
          break;
        case EventType::kReleased:
          ++released_;
          break;
        case EventType::kStreamLimit:
          limit_[is_unidirectional(event->stream)] = event->value;
          break;
        default:
          break;
      }
    }
  }

  // A packet with what is to be sent; empty where nothing is.
  Packet build() {
    Packet packet;
    uint8_t room[kPacket];
    ByteWriter writer(room);
    SentFrame record;
    while (fixture_.streams.has_control() && fixture_.streams.write_control(writer, record, kNow, kRtt)) {
      packet.records.push_back(record);
    }
    StreamData data;
    while (fixture_.streams.has_data() && fixture_.streams.next_data(writer.remaining(), data)) {
      EXPECT_TRUE(write_stream_header(writer, data.stream, data.span.offset, data.span.length, data.span.fin));
      writer.bytes({data.span.data, data.span.length});
      packet.records.push_back(StreamSet::record_of(data));
    }
    EXPECT_TRUE(writer.ok());
    packet.payload.assign(writer.written().begin(), writer.written().end());
    return packet;
  }

  // False where the packet is not to be acknowledged.
  bool receive(const Packet& packet) {
    ByteReader reader(packet.payload);
    while (!reader.empty()) {
      Frame frame;
      const TransportError error = parse_frame(reader, PacketType::kOneRtt, peer_of(role_), frame);
      EXPECT_FALSE(error) << error.reason;
      const FrameOutcome outcome = apply(frame);
      EXPECT_FALSE(outcome.error) << outcome.error.reason;
      if (!outcome.is_ok()) return false;
    }
    return true;
  }

  void settle(const Packet& packet, bool is_acked) {
    for (const SentFrame& record : packet.records) {
      is_acked ? fixture_.streams.on_acked(record) : fixture_.streams.on_lost(record);
    }
  }

  // Ends what is still open, so that the run comes to an end.
  void finish() {
    for (auto& [id, transfer] : transfers_) {
      if (can_send(id, role_) && opened_.contains(id) && !transfer.ended && !transfer.reset) write(id, transfer, true);
    }
    fixture_.consume_all();
  }

  bool is_idle() { return fixture_.streams.open_streams() == 0 && fixture_.lent.empty(); }
  size_t released() const { return released_; }
  size_t writes() const { return fixture_.chunks.size(); }
  const std::map<uint64_t, Transfer>& transfers() const { return transfers_; }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }

  // One of ours (perhaps the next new one, of which two may wait for the peer's limit), or one the peer has opened.
  uint64_t pick_stream() {
    const bool unidirectional = below(3) == 0;
    const uint64_t next = next_own_[unidirectional];
    const bool may_open = next < limit_[unidirectional] + 2;
    if (!may_open || (!opened_.empty() && below(3) > 0)) {
      return opened_.empty() ? make_stream_id(role_, unidirectional, 0)
                             : *std::next(opened_.begin(), static_cast<long>(below(opened_.size())));
    }
    return make_stream_id(role_, unidirectional, next);
  }

  void write(uint64_t id, Transfer& transfer, bool fin) {
    const auto size = static_cast<uint32_t>(below(below(5) == 0 ? 5'000 : 200));
    if (fixture_.write(id, transfer.written, size, fin) != StreamSet::WriteResult::kDone) {
      fixture_.chunks.pop_back();
      return;
    }
    if (initiator_of(id) == role_ && opened_.insert(id).second) ++next_own_[is_unidirectional(id)];
    transfer.written += size;
    transfer.ended = fin;
  }

  FrameOutcome apply(const Frame& frame) {
    StreamSet& streams = fixture_.streams;
    switch (frame.type) {
      case FrameType::kStream:
        return streams.on_stream(frame.stream);
      case FrameType::kResetStream:
        return streams.on_reset_stream(frame.reset_stream);
      case FrameType::kStopSending:
        return streams.on_stop_sending(frame.stop_sending);
      case FrameType::kMaxStreamData:
        return streams.on_max_stream_data(frame.max_stream_data);
      case FrameType::kStreamDataBlocked:
        return streams.on_stream_data_blocked(frame.stream_data_blocked);
      case FrameType::kMaxData:
        return streams.on_max_data(frame.max_data), FrameOutcome{};
      case FrameType::kMaxStreams:
        return streams.on_max_streams(frame.max_streams), FrameOutcome{};
      default:
        return {};
    }
  }

  Role role_;
  std::mt19937_64& random_;
  StreamFixture fixture_;
  std::map<uint64_t, Transfer> transfers_;
  std::set<uint64_t> opened_;
  uint64_t next_own_[2] = {0, 0};
  uint64_t limit_[2] = {0, 0};  // the peer's, as events tell it
  size_t released_ = 0;
};

// Packets one way: some are lost, some come twice, all in any order.
class Way {
 public:
  Way(Side& from, Side& to, std::mt19937_64& random) : from_(from), to_(to), random_(random) {}

  void send() {
    Packet packet = from_.build();
    if (!packet.payload.empty()) in_flight_.push_back(std::move(packet));
  }
  void settle_one(unsigned loss_percent) {
    if (in_flight_.empty()) return;
    const size_t i = random_() % std::min<size_t>(in_flight_.size(), 10);
    Packet packet = std::move(in_flight_[i]);
    in_flight_.erase(in_flight_.begin() + static_cast<long>(i));
    const bool arrives = random_() % 100 >= loss_percent;
    bool is_taken = arrives && to_.receive(packet);
    if (arrives && random_() % 20 == 0) is_taken = to_.receive(packet) || is_taken;
    // An acknowledgement may be lost as well: the bytes have come and are sent again.
    from_.settle(packet, is_taken && random_() % 100 >= loss_percent);
  }
  bool empty() const { return in_flight_.empty(); }

 private:
  Side& from_;
  Side& to_;
  std::mt19937_64& random_;
  std::vector<Packet> in_flight_;
};

void run(uint64_t seed, const StreamCapacities& capacities, unsigned loss_percent) {
  std::mt19937_64 random(seed);
  const StreamLimits limits{.connection_window = 9'000,
                            .max_connection_window = 20'000,
                            .stream_window = 4'000,
                            .max_stream_window = 9'000,
                            .max_streams_bidi = 3,
                            .max_streams_uni = 2};
  Side client(Role::kClient, limits, capacities, random);
  Side server(Role::kServer, limits, capacities, random);
  Way up(client, server, random);
  Way down(server, client, random);
  const auto step = [&](unsigned loss) {
    up.send();
    down.send();
    for (int i = 0; i < 3; ++i) {
      up.settle_one(loss);
      down.settle_one(loss);
    }
    client.read_events();
    server.read_events();
  };
  for (int i = 0; i < 300; ++i) {
    client.act();
    server.act();
    if (i % 2 == 0) step(loss_percent);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (int i = 0; i < 2'000 && !(client.is_idle() && server.is_idle() && up.empty() && down.empty()); ++i) {
    client.finish();
    server.finish();
    step(loss_percent / 2);
  }
  ASSERT_TRUE(client.is_idle() && server.is_idle()) << "seed " << seed;
  EXPECT_EQ(client.released(), client.writes());
  EXPECT_EQ(server.released(), server.writes());
  for (const auto& [id, sent] : client.transfers()) {
    const auto received = server.transfers().find(id);
    if (!can_send(id, Role::kClient) || !sent.ended || sent.reset) continue;
    ASSERT_TRUE(received != server.transfers().end()) << "seed " << seed;
    EXPECT_TRUE(received->second.stopped || received->second.read == sent.written) << "seed " << seed;
  }
}

TEST(StreamPair, AgreesOverAGoodNetwork) {
  for (uint64_t seed = 0; seed < 10; ++seed) run(seed, StreamFixture::kCapacities, 0);
}

TEST(StreamPair, AgreesOverABadNetwork) {
  for (uint64_t seed = 100; seed < 115; ++seed) run(seed, StreamFixture::kCapacities, 30);
}

// Where pools run out, packets are refused and writes put off, and still all comes across. There are writes for what
// waits for the peer's limit and for what is open: an application that fills the pool with the former alone has none
// left to end the latter with.
TEST(StreamPair, AgreesWithScarcePools) {
  for (uint64_t seed = 200; seed < 215; ++seed) {
    run(seed, {.streams = 16, .writes = 20, .ranges = 2, .receive_blocks = 10}, 15);
  }
}

}  // namespace
}  // namespace viaduct::quic
