#include "tools/impair/box.h"

#include <gtest/gtest.h>

#include <optional>

#include "pmd-glue/device.h"
#include "tests/support/frame_builder.h"
#include "tests/support/instants.h"
#include "tools/impair/control.h"

namespace viaduct::impair {
namespace {

using test::Frame;
using test::FrameBuilder;
using Frames = std::vector<Frame>;

const net::MacAddress kLeftMac{{2, 0, 0, 0, 0, 1}}, kRightMac{{2, 0, 0, 0, 0, 2}};
const char* const kClientIp = "198.18.0.2";
const char* const kServerIp = "198.18.1.2";

FrameBuilder request(uint16_t port = 40000) {
  return FrameBuilder().eth(kRightMac, kLeftMac).ipv4(kClientIp, kServerIp).udp(port, 443).dont_fragment();
}

// Two cables of ring devices, the box between them and the test at both ends.
class BoxTest : public testing::Test {
 protected:
  void SetUp() override {
    net::DeviceConfig config;
    config.rx_descriptors = config.tx_descriptors = 64;
    config.held_packets = 256;
    for (End* end : {&left_, &right_}) {
      auto cable = net::Device::open_cable(config);
      ASSERT_TRUE(cable.has_value()) << cable.error();
      end->far.emplace(std::move(cable->first));
      end->near.emplace(std::move(cable->second));
    }
    box_.emplace(left_.near->queue(0), right_.near->queue(0), 1);
  }
  void TearDown() override { box_.reset(); }

  struct End {
    std::optional<net::Device> far, near;
  };

  void send(End& end, const Frame& frame) {
    net::FramePort& port = end.far->queue(0);
    Packet* packet = nullptr;
    ASSERT_EQ(port.allocate({&packet, 1}), 1u);
    std::ranges::copy(frame, packet->data());
    packet->length = static_cast<uint16_t>(frame.size());
    ASSERT_EQ(port.send({&packet, 1}), 1u);
  }
  std::vector<Frame> received(End& end) {
    net::FramePort& port = end.far->queue(0);
    std::vector<Frame> frames;
    Packet* burst[kBurst];
    while (const size_t count = port.receive(burst)) {
      for (Packet* packet : std::span(burst, count))
        frames.emplace_back(packet->bytes().begin(), packet->bytes().end());
      port.release({burst, count});
    }
    return frames;
  }
  void order(const std::string& text) { EXPECT_EQ(obey(*box_, text), "ok"); }

  End left_, right_;
  std::optional<Box> box_;
};

TEST_F(BoxTest, IsACableWithoutFaults) {
  const Frame forward = request().payload("hello").build();
  const Frame back = FrameBuilder().eth(kLeftMac, kRightMac).ipv6("2001:db8::1", "2001:db8::2").udp(443, 40000).build();
  send(left_, forward);
  send(right_, back);
  EXPECT_TRUE(box_->round(at_ms(0)));
  EXPECT_EQ(received(right_), Frames{forward});
  EXPECT_EQ(received(left_), Frames{back});
  EXPECT_FALSE(box_->round(at_ms(1)));
}

TEST_F(BoxTest, FinishesTheChecksumsThatAKernelLeavesToItsDevice) {
  send(left_, request().payload("hello").partial_udp_checksum().build());
  box_->round(at_ms(0));
  EXPECT_EQ(received(right_), Frames{request().payload("hello").build()});
}

TEST_F(BoxTest, LetsEverythingElsePassAtOnceWhateverTheFaults) {
  order("both loss=100%");
  const Frame frames[] = {FrameBuilder().eth(kRightMac, kLeftMac).arp(1, kLeftMac, kClientIp, {}, kServerIp).build(),
                          FrameBuilder().eth(kRightMac, kLeftMac).ipv4(kClientIp, kServerIp).icmp(8, 0, 7).build(),
                          request().fragment(0, true).payload("part").build()};
  for (const Frame& frame : frames) send(left_, frame);
  send(left_, request().payload("lost").build());
  box_->round(at_ms(0));
  EXPECT_EQ(received(right_), Frames(std::begin(frames), std::end(frames)));
  EXPECT_EQ(box_->forward().counters().passed_by, 3u);
  EXPECT_EQ(box_->forward().link().lost, 1u);
}

TEST_F(BoxTest, DelaysEachWayForItself) {
  order("forward delay=15ms");
  send(left_, request().payload("one").build());
  box_->round(at_ms(0));
  send(left_, request().payload("two").build());
  box_->round(at_ms(5));
  EXPECT_EQ(box_->next(), at_ms(15));
  EXPECT_TRUE(received(right_).empty());
  box_->round(at_ms(15));
  EXPECT_EQ(received(right_), Frames{request().payload("one").build()});
  box_->round(at_ms(20));
  EXPECT_EQ(received(right_), Frames{request().payload("two").build()});
  send(right_, FrameBuilder().eth(kLeftMac, kRightMac).ipv4(kServerIp, kClientIp).udp(443, 40000).build());
  box_->round(at_ms(21));
  EXPECT_EQ(received(left_).size(), 1u);
}

TEST_F(BoxTest, FlipsABitBehindAGoodChecksum) {
  order("forward corruption=100%");
  send(left_, request().payload("0123456789").build());
  box_->round(at_ms(0));
  const auto frames = received(right_);
  ASSERT_EQ(frames.size(), 1u);
  const auto udp = read_udp(frames[0]);
  ASSERT_TRUE(udp);
  const std::vector<uint8_t>& payload = udp->datagram.payload;
  EXPECT_NE(std::string(payload.begin(), payload.end()), "0123456789");
  EXPECT_EQ(frames[0], request().payload(Bytes(payload)).build());
}

TEST_F(BoxTest, MarksAndDuplicates) {
  order("forward rate=10M,mark-above=0,duplication=100%");
  send(left_, request().ecn(Ecn::kEct0).payload("x").build());
  box_->round(at_ms(0));
  box_->round(at_ms(10));
  const Frame marked = request().ecn(Ecn::kCe).payload("x").build();
  EXPECT_EQ(received(right_), (Frames{marked, marked}));
}

TEST_F(BoxTest, RebindsTheLeftSide) {
  order("rebind");
  send(left_, request(40000).payload("new port").build());
  box_->round(at_ms(0));
  const auto out = received(right_);
  ASSERT_EQ(out.size(), 1u);
  const uint16_t port = read_udp(out[0])->datagram.from.port;
  EXPECT_NE(port, 40000);
  EXPECT_EQ(out[0], request(port).payload("new port").build());
  const auto answer = [](uint16_t to) {
    return FrameBuilder().eth(kLeftMac, kRightMac).ipv4(kServerIp, kClientIp).udp(443, to).dont_fragment().build();
  };
  send(right_, answer(port));
  send(right_, answer(40000));
  box_->round(at_ms(1));
  EXPECT_EQ(received(left_), Frames{answer(40000)});
  EXPECT_EQ(box_->back().counters().no_flow, 1u);
  EXPECT_EQ(box_->back().counters().translated, 1u);
}

TEST_F(BoxTest, HasRoomForSoManyAndCountsTheRest) {
  order("forward delay=1s");
  const Frame frame = request().payload("x").build();
  for (int burst = 0; burst < 300; ++burst) {
    for (int i = 0; i < 20; ++i) send(left_, frame);
    box_->round(at_ms(0));
  }
  EXPECT_GT(box_->forward().counters().no_room, 0u) << "the pool is smaller than what was sent";
  size_t arrived = 0;
  for (int i = 0; i < 100; ++i) {
    box_->round(at_ms(1000));
    arrived += received(right_).size();
  }
  EXPECT_EQ(arrived + box_->forward().counters().no_room, 6000u);
}

TEST_F(BoxTest, AnswersOrders) {
  EXPECT_EQ(obey(*box_, "both loss=1%,delay=3ms"), "ok");
  EXPECT_EQ(obey(*box_, "rebind-address"), "ok");
  EXPECT_EQ(obey(*box_, "dance"), "'dance' is no order (see --help)");
  EXPECT_NE(obey(*box_, "back loss=x").find("expected"), std::string::npos);
  EXPECT_TRUE(obey(*box_, "counters").starts_with("{\"forward\": {\"offered\": 0"));
}

}  // namespace
}  // namespace viaduct::impair
