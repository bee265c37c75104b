// Packets that a balancer wraps into others, and addresses that are ours though the link knows nothing of it.
#include "pmd-glue/tunnel.h"

#include <string>

#include "tests/pmd-glue/cable_fixture.h"

namespace viaduct::net {
namespace {

constexpr char kVip4[] = "192.0.2.1", kVip6[] = "2001:db8:99::1";
constexpr char kClient4[] = "203.0.113.9", kClient6[] = "2001:db8:c::9";

class Tunnel : public Cable {
 protected:
  void SetUp() override {
    IpInterfaceConfig config = plain_interface();
    config.service_addresses = {ip(kVip4), ip(kVip6)};
    config.tunnels = {.ip_in_ip = true,
                      .gue_port = 6080,
                      .from = {*LocalAddress::parse(std::string(kPeer4) + "/32"),
                               *LocalAddress::parse(std::string(kPeer6) + "/128")}};
    open(config);
  }
  // What became of one frame: the verdict, Verdict::kNone where it was delivered.
  Verdict verdict_of(const FrameBuilder& frame) {
    const uint64_t before = port().verdicts().sum();
    arrive(frame);
    delivered_ = poll();
    if (!delivered_.empty()) return Verdict::kNone;
    EXPECT_EQ(port().verdicts().sum(), before + 1);
    for (const VerdictInfo& verdict : kVerdicts) {
      if (port().verdicts()[verdict.id] != counts_[static_cast<size_t>(verdict.id)]) {
        counts_[static_cast<size_t>(verdict.id)] = port().verdicts()[verdict.id];
        return verdict.id;
      }
    }
    return Verdict::kNone;
  }

  std::vector<Datagram> delivered_;
  std::array<uint64_t, kVerdictCount> counts_{};
};

FrameBuilder inner4() { return FrameBuilder().ipv4(kClient4, kVip4).udp(5000, 443).payload("a datagram"); }
FrameBuilder inner6() { return FrameBuilder().ipv6(kClient6, kVip6).udp(5000, 443).payload("a datagram"); }
FrameBuilder outer4() { return FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4); }
FrameBuilder outer6() { return FrameBuilder().eth(kOurMac, kPeerMac).ipv6(kPeer6, kOur6); }

Frame gue(const Frame& packet, std::initializer_list<uint8_t> header) {
  Frame payload(header);
  payload.insert(payload.end(), packet.begin(), packet.end());
  return payload;
}

TEST_F(Tunnel, DeliversWhatIsInside) {
  const Datagram four{path(kVip4, kClient4), Ecn::kNotEct, "a datagram"};
  const Datagram six{path(kVip6, kClient6), Ecn::kNotEct, "a datagram"};
  const Frame packet4 = inner4().build_ip(), packet6 = inner6().build_ip();
  const std::pair<FrameBuilder, Datagram> cases[] = {
      {outer4().protocol(4).payload(packet4), four},
      {outer4().protocol(41).payload(packet6), six},
      {outer6().protocol(4).payload(packet4), four},
      {outer6().protocol(41).payload(packet6), six},
      {outer4().udp(50000, 6080).payload(gue(packet4, {0, 4, 0, 0})), four},
      {outer6().udp(50000, 6080).no_udp_checksum().payload(gue(packet6, {0, 41, 0, 0})), six},
      {outer4().udp(50000, 6080).payload(gue(packet6, {1, 41, 0, 0, 9, 9, 9, 9})), six},  // a word of options
      {outer4().udp(50000, 6080).payload(packet4), four},                                 // variant 1
      {outer4().ip_options(4).protocol(4).payload(packet4), four},
      {outer6().extension(60).protocol(4).payload(packet4), four},
  };
  for (const auto& [frame, datagram] : cases) {
    EXPECT_EQ(verdict_of(frame), Verdict::kNone);
    EXPECT_EQ(delivered_, std::vector{datagram});
  }
}

TEST_F(Tunnel, DeliversWhatComesByMacAddressAlone) {
  arrive(FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kClient4, kVip4).udp(5000, 443).payload("a datagram"));
  const std::vector<Datagram> expected = {{path(kVip4, kClient4), Ecn::kNotEct, "a datagram"}};
  EXPECT_EQ(poll(), expected);
}

// Who answered for it would take it away from the balancer.
TEST_F(Tunnel, DoesNotAnswerForTheBalancersAddress) {
  EXPECT_EQ(verdict_of(FrameBuilder().eth(kBroadcastMac, kPeerMac).arp(1, kPeerMac, kPeer4, {}, kVip4)), kArpIgnored);
}

TEST_F(Tunnel, IsTakenFromItsBalancerAlone) {
  const Frame packet = inner4().build_ip();
  EXPECT_EQ(verdict_of(FrameBuilder().eth(kOurMac, kPeerMac).ipv4("198.18.0.77", kOur4).protocol(4).payload(packet)),
            kTunnelRefused);
  EXPECT_EQ(verdict_of(FrameBuilder().eth(kOurMac, kPeerMac).ipv4("198.18.0.77", kOur4).udp(1, 6080).payload("x")),
            kTunnelRefused);
}

TEST_F(Tunnel, IsRefusedWhereItCannotBe) {
  const Frame packet = inner4().build_ip();
  const Frame cut(packet.begin(), packet.begin() + 12);
  EXPECT_EQ(verdict_of(outer4().protocol(4).payload(cut)), kTunnelMalformed);
  EXPECT_EQ(verdict_of(outer4().protocol(41).payload(packet)), kTunnelMalformed) << "IPv4 where IPv6 was said";
  EXPECT_EQ(verdict_of(outer4().udp(1, 6080)), kTunnelMalformed) << "nothing inside";
  EXPECT_EQ(verdict_of(outer4().udp(1, 6080).payload(gue(packet, {0x20, 4, 0, 0}))), kTunnelMalformed) << "control";
  EXPECT_EQ(verdict_of(outer4().udp(1, 6080).payload(gue(packet, {0x80, 4, 0, 0}))), kTunnelMalformed) << "variant 2";
  EXPECT_EQ(verdict_of(outer4().udp(1, 6080).payload(gue(packet, {0, 6, 0, 0}))), kTunnelMalformed) << "TCP";
  EXPECT_EQ(verdict_of(outer4().udp(1, 6080).payload(gue({}, {0x1f, 4, 0, 0}))), kTunnelMalformed) << "options";
  EXPECT_EQ(verdict_of(outer4().protocol(4).payload(FrameBuilder().ipv4(kClient4, "10.9.9.9").udp(1, 443).build_ip())),
            kIpNotOurs);
  EXPECT_EQ(verdict_of(outer4().protocol(4).payload(inner4().fragment(0, true).build_ip())), kIpFragment);
  EXPECT_EQ(verdict_of(outer4().protocol(4).payload(FrameBuilder().ipv4(kClient4, kVip4).icmp(8, 0, 1).build_ip())),
            kIpProtocolUnhandled)
      << "an echo request is the balancer's to answer";
}

// RFC 6040 section 4.2: what was marked on either way is marked.
TEST_F(Tunnel, CombinesTheCongestionMarks) {
  EXPECT_EQ(verdict_of(outer4().ecn(Ecn::kCe).protocol(4).payload(inner4().ecn(Ecn::kEct0).build_ip())),
            Verdict::kNone);
  EXPECT_EQ(delivered_.at(0).ecn, Ecn::kCe);
  EXPECT_EQ(verdict_of(outer4().ecn(Ecn::kEct0).protocol(4).payload(inner4().ecn(Ecn::kCe).build_ip())),
            Verdict::kNone);
  EXPECT_EQ(delivered_.at(0).ecn, Ecn::kCe);
  EXPECT_EQ(verdict_of(outer4().ecn(Ecn::kEct1).protocol(4).payload(inner4().ecn(Ecn::kEct0).build_ip())),
            Verdict::kNone);
  EXPECT_EQ(delivered_.at(0).ecn, Ecn::kEct1);
  EXPECT_EQ(verdict_of(outer4().ecn(Ecn::kCe).protocol(4).payload(inner4().build_ip())), kTunnelEcnRefused);
}

TEST_F(Tunnel, CarriesPathMtuMessagesAboutOurPackets) {
  const Frame quoted =
      FrameBuilder().ipv4(kVip4, kClient4).dont_fragment().udp(443, 5000).payload(std::string(1300, 'q')).build_ip();
  const Frame error = FrameBuilder()
                          .ipv4("203.0.113.1", kVip4)
                          .icmp(3, 4, 1280)
                          .payload(Frame(quoted.begin(), quoted.begin() + 100))
                          .build_ip();
  EXPECT_EQ(verdict_of(outer4().protocol(4).payload(error)), kIcmpPathMtu);
  const auto message = port().take_path_mtu();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->path, path(kVip4, kClient4));
  EXPECT_EQ(message->mtu, 1280);
}

}  // namespace
}  // namespace viaduct::net
