// Frames that nearly all are take a way of their own through the balancer: it must end where the other one does.
#include <gtest/gtest.h>

#include <vector>

#include "apps/lb/tunnel_headers.h"
#include "base/random.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/wire.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb {
namespace {

using test::Balancer;
using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::long_packet;
using test::short_packet;

constexpr char kOtherVip[] = "192.0.2.2";

// Two pools behind addresses of one family, whose servers have the same ids.
Configuration two_pools(Forwarding forwarding) {
  Configuration configuration = configuration_of(4, forwarding);
  PoolConfig other{.name = "other"};
  for (BackendConfig backend : configuration.pools.front().backends) {
    backend.mac->bytes[4] = 2;
    other.backends.push_back(backend);
  }
  configuration.pools.push_back(other);
  configuration.services.push_back({"other", {{test::ip(kOtherVip), 443}}, "other"});
  return configuration;
}

// A packet with `room` bytes behind the frame.
class Held {
 public:
  Held(const Frame& frame, uint8_t flags, size_t room) : bytes_(kHeadroom + frame.size() + room) {
    std::ranges::copy(frame, bytes_.begin() + kHeadroom);
    packet_.buffer = bytes_.data();
    packet_.capacity = static_cast<uint16_t>(bytes_.size());
    packet_.offset = kHeadroom;
    packet_.length = static_cast<uint16_t>(frame.size());
    packet_.flags = flags;
  }
  Packet* packet() { return &packet_; }

 private:
  Frame bytes_;
  Packet packet_;
};

// Frames of all kinds, many of them spoiled somewhere.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(Random::from_seed(seed)) {}

  Random& random() { return random_; }
  Frame frame() {
    Frame frame = whole();
    const bool is_v4 = frame[12] == 0x08;
    for (uint64_t left = random_.below(3); left > 0; --left) {
      const size_t headers = std::min<size_t>(frame.size(), 64);
      frame[random_.below(headers)] = static_cast<uint8_t>(random_.u64());
    }
    if (is_v4 && random_.below(2) == 0) {
      net::store_u16(&frame[24], 0);
      net::store_checksum(&frame[24], net::checksum_finish(net::checksum_add(0, {&frame[14], 20})));
    }
    if (random_.below(8) == 0) frame.resize(1 + random_.below(frame.size()));
    if (random_.below(8) == 0) frame.resize(frame.size() + random_.below(20));
    return frame;
  }
  uint8_t flags() {
    constexpr uint8_t kFlags[] = {0, 0, net::FramePort::kIpChecksumGood, net::FramePort::kIpChecksumBad};
    return kFlags[random_.below(std::size(kFlags))];
  }

 private:
  Frame whole() {
    const Frame id =
        random_.below(4) == 0 ? Frame{0xe7, 1, 2, 3, 4, 5, 6, 7} : id_of(static_cast<uint8_t>(random_.below(6)));
    const size_t rest = random_.below(60);
    const Frame quic = random_.below(3) == 0 ? long_packet(id, {1, 2, 3}, 1, 0xc0, rest) : short_packet(id, rest);
    const auto port = static_cast<uint16_t>(5000 + random_.below(3));
    FrameBuilder builder;
    builder.eth(test::kOurMac, test::kRouterMac);
    switch (random_.below(3)) {
      case 0:
        return builder.ipv6(test::kClient6, test::kVip6).udp(port, 443).payload(quic).build();
      case 1:
        return builder.ipv4(test::kClient4, kOtherVip).dont_fragment().udp(port, 443).payload(quic).build();
      default:
        return builder.ipv4(test::kClient4, test::kVip4).udp(port, 443).payload(quic).build();
    }
  }

  Random random_;
};

class UsualFrames : public testing::TestWithParam<Forwarding> {};

// Where memory ends close behind a frame it is looked at closely: what is said of it, and sent, has to be the same.
TEST_P(UsualFrames, EndLikeThoseThatAreLookedAtClosely) {
  Balancer with_room(two_pools(GetParam())), without(two_pools(GetParam()));
  Draw draw(11);
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::unique_ptr<Held>> held, close;
    std::vector<Packet*> packets, close_packets;
    for (uint64_t count = 1 + draw.random().below(Burst::kMax); count > 0; --count) {
      const Frame frame = draw.frame();
      const uint8_t flags = draw.flags();
      packets.push_back(held.emplace_back(std::make_unique<Held>(frame, flags, 200))->packet());
      close_packets.push_back(close.emplace_back(std::make_unique<Held>(frame, flags, 0))->packet());
    }
    with_room.router().route(with_room.snapshot(), packets, with_room.now());
    without.router().route(without.snapshot(), close_packets, without.now());
    const Burst& burst = with_room.router().burst();
    const Burst& expected = without.router().burst();
    for (unsigned i = 0; i < burst.count; ++i) {
      ASSERT_EQ(burst.verdict[i], expected.verdict[i]);
      ASSERT_EQ(burst.kind[i], expected.kind[i]);
      ASSERT_EQ(burst.step[i], expected.step[i]);
      ASSERT_EQ(burst.slot[i], expected.slot[i]);
      ASSERT_EQ(burst.sends[i], expected.sends[i]);
      ASSERT_TRUE(std::ranges::equal(packets[i]->bytes(), close_packets[i]->bytes()));
    }
    ASSERT_EQ(with_room.router().outgoing().size(), without.router().outgoing().size());
    for (size_t i = 0; i < kVerdictCount; ++i) {
      const auto verdict = static_cast<Verdict>(i);
      ASSERT_EQ(with_room.router().verdicts()[verdict], without.router().verdicts()[verdict]);
    }
  }
  EXPECT_GT(with_room.router().verdicts()[kRoutedById], 1000u);
  EXPECT_GT(with_room.router().verdicts()[kRoutedAsNew], 0u);
}

INSTANTIATE_TEST_SUITE_P(Ways, UsualFrames,
                         testing::Values(Forwarding::kDirect, Forwarding::kIpInIp, Forwarding::kGue, Forwarding::kNat),
                         [](const auto& parameter) {
                           std::string name(kForwardingNames[static_cast<size_t>(parameter.param)]);
                           std::erase(name, '-');
                           return name;
                         });

// The prepared headers of a tunnel are those that are put together field by field, whatever the packet inside.
TEST(ReadyTunnel, WritesWhatTheGeneralWayWrites) {
  Balancer balancer(configuration_of(3, Forwarding::kIpInIp));
  Random random = Random::from_seed(12);
  for (int round = 0; round < 20'000; ++round) {
    const Backend& backend = balancer.snapshot().backends()[random.below(3)];
    ASSERT_TRUE(can_be_ready(backend));
    net::MacAddress to;
    random.fill(to.bytes);
    Frame frame(64);
    random.fill(frame);
    const auto length = static_cast<uint16_t>(20 + random.below(0xffff - 100));
    Held ready(frame, 0, 0), general(frame, 0, 0);
    ReadyTunnel(backend, to).write(*ready.packet(), ready.packet()->data() + net::kEthernetHeader, length);
    write_tunnel(*general.packet(), {general.packet()->data() + net::kEthernetHeader, length, false, 0}, backend, to);
    ASSERT_EQ(ready.packet()->offset, general.packet()->offset);
    ASSERT_EQ(ready.packet()->length, general.packet()->length);
    constexpr size_t kWritten = net::kEthernetHeader + net::kIpv4Header;
    ASSERT_TRUE(std::equal(ready.packet()->data(), ready.packet()->data() + kWritten, general.packet()->data()));
  }
}

}  // namespace
}  // namespace viaduct::lb
