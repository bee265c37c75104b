// What a peer can make us keep or do by sending much of little: bounded, whatever it sends.
#include <gtest/gtest.h>

#include "engine/recovery/ack_ranges.h"
#include "engine/stream/receive_store.h"
#include "tests/engine/endpoint/two_endpoints.h"

namespace viaduct::quic::test {
namespace {

class Floods : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.handshake());
    pair.run_for(Duration::milliseconds(300));
  }
  // The client sends so many packets, each with these frames instead of its own.
  void flood(unsigned packets, const std::function<std::vector<uint8_t>(unsigned)>& frames) {
    unsigned sent = 0;
    pair.client.set_tamper([&](MutableBytes header, MutableBytes payload) {
      if ((header[0] & 0x80) == 0 && sent < packets && replace_payload(payload, frames(sent))) ++sent;
    });
    for (unsigned i = 0; i < packets; ++i) {
      pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(40, 1), false);
      pair.run_for(Duration::milliseconds(1));
    }
    pair.run_for(Duration::milliseconds(100));
    EXPECT_EQ(sent, packets);
    pair.client.set_tamper({});
  }
  uint64_t gauge(std::string_view name) {
    for (const PoolGauge& gauge : pair.server.endpoint().pools()) {
      if (gauge.name == name) return gauge.high_water;
    }
    return ~uint64_t{0};
  }
  static void put(std::vector<uint8_t>& frame, uint64_t value) {
    std::array<uint8_t, 8> bytes;
    ByteWriter writer(bytes);
    writer.varint(value);
    frame.insert(frame.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(writer.size()));
  }

  static EndpointConfig narrow() {
    EndpointConfig config = small_config();
    config.stream_window = 64 << 10;
    return config;
  }

  TwoEndpoints pair{PairOptions{.client = small_config(), .server = narrow()}};
};

// One byte of a stream in each packet, each at an offset of its own: memory follows the window, not the pieces.
TEST_F(Floods, OfSingleBytesTakesNoMoreMemoryThanTheWindow) {
  const uint64_t window = narrow().stream_window;
  const uint64_t before = gauge("receive-blocks");
  flood(400, [&](unsigned i) {
    std::vector<uint8_t> frame{0x0e, 0x00};
    put(frame, 1 + i * 1'009 * 997 % (window - 2));
    frame.insert(frame.end(), {0x01, 0xaa});
    return frame;
  });
  EXPECT_LE(gauge("receive-blocks"), before + window / ReceiveBlock::kSize + 2);
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
}

// RFC 9000 section 13.2.1: packets that ask for no acknowledgement get none, and small ones no more than others.
TEST_F(Floods, OfPingsIsAnsweredByNoMorePacketsThanCame) {
  size_t answers = 0;
  pair.filter = [&](bool to_server, Datagram&) {
    answers += !to_server;
    return true;
  };
  flood(500, [](unsigned) { return std::vector<uint8_t>{0x01}; });
  EXPECT_LE(answers, 510u);
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
}

// A packet full of windows, limits and challenges changes a few numbers, and queues a few answers.
TEST_F(Floods, OfControlFramesLeavesNothingBehind) {
  flood(300, [](unsigned i) {
    std::vector<uint8_t> frames;
    frames.insert(frames.end(), {0x10, static_cast<uint8_t>(i & 0x3f), 0x14, 0x05, 0x16, 0x05});
    frames.insert(frames.end(), {0x1a, static_cast<uint8_t>(i), 0, 0, 0, 0, 0, 0, 0});
    return frames;
  });
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
  pair.client.command({.type = CommandType::kClose, .connection = pair.client.opened[0], .error = 0});
  pair.run_for(Duration::seconds(10));
  EXPECT_TRUE(pair.server.endpoint().is_empty());
  for (const PoolGauge& gauge : pair.server.endpoint().pools()) EXPECT_EQ(gauge.used, 0u) << gauge.name;
}

// Every second packet is lost: what is remembered of the rest is bounded, and later ones are still taken.
TEST_F(Floods, OfGapsInPacketNumbersIsForgottenFromBelow) {
  bool drop = false;
  pair.filter = [&](bool to_server, Datagram&) { return !to_server || (drop = !drop); };
  flood(4 * AckRanges::kMaxRanges, [](unsigned) { return std::vector<uint8_t>{0x01}; });
  pair.filter = nullptr;
  EXPECT_LE(gauge("packet-records"), 64u);
  EXPECT_FALSE(pair.server.saw(EventType::kClosed));
  const uint64_t processed = pair.server.stats().packets_received;
  pair.client.write(pair.client.opened[0], 0, {1}, false);
  pair.run_for(Duration::seconds(2));
  EXPECT_GT(pair.server.stats().packets_received, processed);
}

}  // namespace
}  // namespace viaduct::quic::test
