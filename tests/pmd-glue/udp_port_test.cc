// UDP over a cable: what is delivered, what is refused and why, and what is sent.
#include <rte_mbuf.h>

#include "pmd-glue/mbuf.h"
#include "tests/pmd-glue/cable_fixture.h"

namespace viaduct::net {
namespace {

FrameBuilder udp4() {
  return FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4).udp(5000, 443).payload("a datagram");
}
FrameBuilder udp6() {
  return FrameBuilder().eth(kOurMac, kPeerMac).ipv6(kPeer6, kOur6).udp(5000, 443).payload("a datagram");
}

class UdpReceive : public Cable {};

TEST_F(UdpReceive, DeliversPayloadWithPathAndEcn) {
  arrive(udp4().ecn(Ecn::kEct0));
  arrive(udp6().ecn(Ecn::kCe));
  const std::vector<Datagram> expected = {{path(kOur4, kPeer4), Ecn::kEct0, "a datagram"},
                                          {path(kOur6, kPeer6), Ecn::kCe, "a datagram"}};
  EXPECT_EQ(poll(), expected);
  EXPECT_EQ(port().counters().delivered, 2u);
}

struct Accepted {
  const char* what;
  FrameBuilder frame;
};

TEST_F(UdpReceive, AcceptsWhatIsUnusualButRight) {
  const Accepted cases[] = {
      {"padding behind a short packet", udp4().padding(18)},
      {"IPv4 options", udp4().ip_options(12)},
      {"no UDP checksum over IPv4", udp4().no_udp_checksum()},
      {"a partial checksum, IPv4", udp4().partial_udp_checksum()},
      {"a partial checksum, IPv6", udp6().partial_udp_checksum()},
      {"a priority tag", udp4().vlan(0)},
      {"destination options and hop-by-hop options", udp6().extension(0, 8).extension(60, 16)},
      {"a routing header that has arrived", udp6().extension(43, 24)},
      {"as many extensions as are skipped", udp6().extension(0).extension(60).extension(43).extension(60)},
      {"bytes between UDP's end and IP's", udp4().ip_options(0).payload("a datagram")},
  };
  for (const Accepted& accepted : cases) {
    SCOPED_TRACE(accepted.what);
    arrive(accepted.frame);
    const auto datagrams = poll();
    ASSERT_EQ(datagrams.size(), 1u);
    EXPECT_EQ(datagrams[0].payload, "a datagram");
  }
  EXPECT_EQ(port().counters().partial_checksums, 2u);
  EXPECT_EQ(port().verdicts().sum(), 0u);
}

struct Refused {
  const char* what;
  FrameBuilder frame;
  Verdict verdict;
};

TEST_F(UdpReceive, RefusesEachWithItsVerdict) {
  const Refused cases[] = {
      {"half an Ethernet header", udp4().cut(13), kFrameTooShort},
      {"half a tag", udp4().vlan(0).cut(16), kFrameTooShort},
      {"another station's", udp4().eth(kOtherMac, kPeerMac), kFrameNotForUs},
      {"another VLAN's", udp4().vlan(7), kVlanUnexpected},
      {"LLDP", udp4().ether_type(0x88cc), kProtocolUnknown},
      {"IPv4 cut short", udp4().cut(33), kIpv4Malformed},
      {"IPv4 of version 5", udp4().version(5), kIpv4Malformed},
      {"IPv4 total length less than its header", udp4().ip_length(19), kIpv4Malformed},
      {"IPv4 checksum", udp4().bad_ip_checksum(), kIpv4ChecksumWrong},
      {"IPv6 cut short", udp6().cut(14 + 39), kIpv6Malformed},
      {"IPv6 of version 7", udp6().version(7), kIpv6Malformed},
      {"an extension longer than the packet", udp6().extension(60, 64).ip_length(16), kIpv6Malformed},
      {"half an extension", udp6().extension(60).ip_length(7), kIpv6Malformed},
      {"five extensions", udp6().extension(0).extension(60).extension(43).extension(60).extension(60),
       kIpv6ExtensionsRefused},
      {"a routing header under way", udp6().extension(43, 24, 1), kIpv6ExtensionsRefused},
      {"an authentication header", udp6().extension(51), kIpv6ExtensionsRefused},
      {"IPv4 longer than the frame", udp4().ip_length(1300), kFrameShorterThanIp},
      {"IPv6 longer than the frame", udp6().ip_length(1300), kFrameShorterThanIp},
      {"first IPv4 fragment", udp4().fragment(0, true), kIpFragment},
      {"last IPv4 fragment", udp4().fragment(1480, false), kIpFragment},
      {"IPv6 fragment", udp6().fragment(1448, false), kIpFragment},
      {"atomic IPv6 fragment", udp6().fragment(0, false), kIpFragment},
      {"from ourselves", udp4().ipv4(kOur4, kOur4), kIpSourceRefused},
      {"from a group", udp4().ipv4("224.0.0.5", kOur4), kIpSourceRefused},
      {"from nowhere", udp4().ipv4("0.0.0.0", kOur4), kIpSourceRefused},
      {"from nowhere, IPv6", udp6().ipv6("::", kOur6), kIpSourceRefused},
      {"from a group, IPv6", udp6().ipv6("ff02::2", kOur6), kIpSourceRefused},
      {"to another address", udp4().ipv4(kPeer4, "198.18.0.9"), kIpNotOurs},
      {"to another address, IPv6", udp6().ipv6(kPeer6, "2001:db8::9"), kIpNotOurs},
      {"to a group that is not ours", udp6().eth({{0x33, 0x33, 0, 0, 0, 0xfb}}, kPeerMac).ipv6(kPeer6, "ff02::fb"),
       kIpNotOurs},
      {"TCP", udp4().protocol(6), kIpProtocolUnhandled},
      {"ICMPv6 over IPv4", udp4().protocol(58), kIpProtocolUnhandled},
      {"half a UDP header", udp4().ip_length(27), kUdpMalformed},
      {"UDP longer than IP", udp4().udp_length(200), kUdpMalformed},
      {"UDP shorter than its header", udp4().udp_length(7), kUdpMalformed},
      {"wrong UDP checksum", udp4().bad_udp_checksum(), kUdpChecksumWrong},
      {"wrong UDP checksum over IPv6", udp6().bad_udp_checksum(), kUdpChecksumWrong},
      {"no UDP checksum over IPv6", udp6().no_udp_checksum(), kUdpChecksumMissing},
      {"a port where nothing listens", udp4().udp(5000, 444), kUdpPortClosed},
      {"from port zero", udp4().udp(0, 443), kUdpPortClosed},
      {"a datagram to all nodes", udp6().ipv6(kPeer6, "ff02::1"), kUdpPortClosed},
  };
  for (const Refused& refused : cases) {
    SCOPED_TRACE(refused.what);
    const uint64_t before = count_of(refused.verdict);
    arrive(refused.frame);
    EXPECT_TRUE(poll().empty());
    EXPECT_EQ(count_of(refused.verdict), before + 1);
    EXPECT_TRUE(sent_frames().empty());
  }
  expect_all_accounted();
  EXPECT_EQ(ours_->queue(0).counters().received, std::size(cases));
}

TEST_F(UdpReceive, RefusesFramesInPieces) {
  Packet* parts[2];
  ASSERT_EQ(theirs_->queue(0).allocate(parts), 2u);
  rte_mbuf* first = mbuf_of(parts[0]);
  rte_pktmbuf_append(first, 64);
  rte_pktmbuf_append(mbuf_of(parts[1]), 64);
  ASSERT_EQ(rte_pktmbuf_chain(first, mbuf_of(parts[1])), 0);
  parts[0]->length = 64;
  ASSERT_EQ(theirs_->queue(0).send({parts, 1}), 1u);
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(count_of(kFrameInPieces), 1u);
  expect_all_accounted();
}

TEST_F(UdpReceive, GivesBackAllPackets) {
  const uint64_t before = ours_->pool().used;
  for (int i = 0; i < 200; ++i) {
    arrive(i % 2 ? udp4() : udp4().bad_udp_checksum());
    poll();
  }
  EXPECT_EQ(ours_->pool().used, before);
}

TEST_F(UdpReceive, OnATaggedInterfaceTakesAndSendsTaggedFrames) {
  IpInterfaceConfig config = plain_interface();
  config.vlan = 7;
  config.static_neighbours = {{ip(kPeer4), kPeerMac}};
  open(config);
  arrive(udp4().vlan(7));
  EXPECT_EQ(poll().size(), 1u);
  arrive(udp4());
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(count_of(kVlanUnexpected), 1u);

  EXPECT_TRUE(send(path(kOur4, kPeer4), "tagged"));
  const auto frames = sent_frames();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0], FrameBuilder()
                           .eth(kPeerMac, kOurMac)
                           .vlan(7)
                           .ipv4(kOur4, kPeer4)
                           .dont_fragment()
                           .udp(443, 5000)
                           .payload("tagged")
                           .build());
}

TEST_F(UdpReceive, OnACableInMemoryLeavesTheUdpChecksumAtThePseudoHeaders) {
  partial_checksums_ = true;
  IpInterfaceConfig config = plain_interface();
  config.static_neighbours = {{ip(kPeer4), kPeerMac}, {ip(kPeer6), kPeerMac}};
  open(config);
  const FrameBuilder to4 = FrameBuilder().eth(kPeerMac, kOurMac).ipv4(kOur4, kPeer4).dont_fragment();
  const FrameBuilder to6 = FrameBuilder().eth(kPeerMac, kOurMac).ipv6(kOur6, kPeer6);
  EXPECT_TRUE(send(path(kOur4, kPeer4), "a datagram"));
  EXPECT_TRUE(send(path(kOur6, kPeer6), "a datagram"));
  const auto frames = sent_frames();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0], FrameBuilder(to4).udp(443, 5000).payload("a datagram").partial_udp_checksum().build());
  EXPECT_EQ(frames[1], FrameBuilder(to6).udp(443, 5000).payload("a datagram").partial_udp_checksum().build());
}

class UdpSend : public Cable {
 protected:
  void SetUp() override {
    IpInterfaceConfig config = plain_interface();
    config.static_neighbours = {{ip(kPeer4), kPeerMac}, {ip(kPeer6), kPeerMac}};
    open(config);
  }
};

// proves RFC 9000 14-3
TEST_F(UdpSend, WritesHeadersForEverySize) {
  std::string payload;
  for (size_t size = 0; size <= 1452; size += size < 70 ? 1 : 97) {
    SCOPED_TRACE(size);
    payload.resize(size);
    for (size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 37 + size);
    const Ecn ecn = static_cast<Ecn>(size % 4);
    ASSERT_TRUE(send(path(kOur4, kPeer4, static_cast<uint16_t>(1000 + size)), payload, ecn));
    ASSERT_TRUE(send(path(kOur6, kPeer6, static_cast<uint16_t>(1000 + size)), payload, ecn));
    const auto frames = sent_frames();
    ASSERT_EQ(frames.size(), 2u);
    const FrameBuilder common =
        FrameBuilder().eth(kPeerMac, kOurMac).ecn(ecn).udp(443, static_cast<uint16_t>(1000 + size)).payload(payload);
    EXPECT_EQ(frames[0], FrameBuilder(common).ipv4(kOur4, kPeer4).dont_fragment().build());
    EXPECT_EQ(frames[1], FrameBuilder(common).ipv6(kOur6, kPeer6).build());
  }
}

// A checksum that comes out as zero is sent as all ones: zero would say that there is none.
TEST_F(UdpSend, NeverSendsAZeroChecksum) {
  unsigned ones = 0;
  for (unsigned i = 0; i < 0x10000; ++i) {
    const char payload[2] = {static_cast<char>(i >> 8), static_cast<char>(i)};
    ASSERT_TRUE(send(path(kOur6, kPeer6), {payload, 2}));
    const auto frames = sent_frames();
    const unsigned checksum = static_cast<unsigned>(frames[0][60] << 8 | frames[0][61]);
    ASSERT_NE(checksum, 0u);
    ones += checksum == 0xffff;
  }
  EXPECT_GE(ones, 1u);
}

TEST_F(UdpSend, LeavesWhatDoesNotFitTheQueueAsItWas) {
  unsigned taken = 0;
  while (send(path(kOur4, kPeer4), "filling the ring")) ++taken;
  EXPECT_EQ(taken, 64u);
  EXPECT_EQ(sent_frames().size(), 64u);
  EXPECT_TRUE(send(path(kOur4, kPeer4), "room again"));
}

TEST_F(UdpSend, TakesTheFrontOfABurstThatFits) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send(path(kOur4, kPeer4), "filling"));
  Packet* burst[kBurst];
  ASSERT_EQ(port().allocate(burst), kBurst);
  for (size_t i = 0; i < kBurst; ++i) {
    burst[i]->data()[0] = static_cast<uint8_t>(i);
    burst[i]->length = 1;
    burst[i]->path = path(kOur4, kPeer4);
  }
  EXPECT_EQ(port().send(burst), 14u);
  sent_frames();
  EXPECT_EQ(port().send({burst + 14, kBurst - 14}), kBurst - 14u);
  const auto frames = sent_frames();
  ASSERT_EQ(frames.size(), kBurst - 14u);
  for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].back(), i + 14);
}

// proves RFC 9000 14-2
TEST_F(UdpSend, DropsWhatIsLargerThanTheMtu) {
  EXPECT_EQ(port().max_payload4(), 1472u);
  EXPECT_EQ(port().max_payload6(), 1452u);
  EXPECT_TRUE(send(path(kOur4, kPeer4), std::string(1473, 'x')));
  EXPECT_TRUE(send(path(kOur6, kPeer6), std::string(1453, 'x')));
  EXPECT_EQ(port().counters().too_large, 2u);
  EXPECT_TRUE(sent_frames().empty());
  EXPECT_TRUE(send(path(kOur4, kPeer4), std::string(1472, 'x')));
  EXPECT_EQ(sent_frames().size(), 1u);
}

TEST_F(UdpSend, CountsRefusedAllocations) {
  std::vector<Packet*> held;
  Packet* packet = nullptr;
  while (port().allocate({&packet, 1}) == 1) held.push_back(packet);
  const PoolGauge full = ours_->pool();
  EXPECT_GE(full.refused, 1u);
  EXPECT_EQ(full.used, full.capacity);
  port().release(held);
  EXPECT_EQ(ours_->pool().used, 0u);
  EXPECT_EQ(ours_->pool().high_water, full.capacity);
}

}  // namespace
}  // namespace viaduct::net
