// Errors about what the balancer sends to servers: its tunnels, and flows that it translates.
#include <gtest/gtest.h>

#include "apps/lb/owners.h"
#include "apps/lb/verdicts.h"
#include "tests/lb/fixture.h"

namespace viaduct::lb {
namespace {

using test::Balancer;
using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::short_packet;

constexpr net::MacAddress kInnerRouterMac{{2, 0, 0, 0, 0, 9}};
// What an error may quote: all but headers of the 576 bytes that any IPv4 host takes, or of 1,280.
constexpr size_t kQuoted4 = 548, kQuoted6 = 1232;

Frame ip_of(const Frame& frame, size_t most = 65'535) {
  const size_t size = std::min(frame.size() - 14, most);
  return {frame.begin() + 14, frame.begin() + 14 + static_cast<ptrdiff_t>(size)};
}

// From a router between us and the servers, to our own address.
FrameBuilder error4(const Frame& quoted, uint32_t rest = 1400, uint8_t type = 3, uint8_t code = 4) {
  return FrameBuilder()
      .eth(test::kOurMac, kInnerRouterMac)
      .ipv4("10.0.0.1", test::kOurs4)
      .icmp(type, code, rest)
      .payload(quoted);
}
FrameBuilder error6(const Frame& quoted, uint32_t rest = 1400, uint8_t type = 2) {
  return FrameBuilder()
      .eth(test::kOurMac, kInnerRouterMac)
      .ipv6("fd00::1", test::kOurs6)
      .icmp(type, 0, rest)
      .payload(quoted);
}
// What the client is told then.
Frame told4(const Frame& quoted, uint16_t mtu, const net::MacAddress& to = kInnerRouterMac) {
  return FrameBuilder()
      .eth(to, test::kOurMac)
      .ipv4(test::kVip4, test::kClient4)
      .icmp(3, 4, mtu)
      .payload(quoted)
      .build();
}
Frame told6(const Frame& quoted, uint16_t mtu, const net::MacAddress& to = kInnerRouterMac) {
  return FrameBuilder()
      .eth(to, test::kOurMac)
      .ipv6(test::kVip6, test::kClient6)
      .icmp(2, 0, mtu)
      .payload(quoted)
      .build();
}

// A datagram of a client for server 1 that makes `size` bytes of IP.
Frame client4(size_t size, uint16_t port = 5000) {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv4(test::kClient4, test::kVip4)
      .dont_fragment()
      .udp(port, 443)
      .payload(short_packet(id_of(1), size - 28 - 9))
      .build();
}
Frame client6(size_t size) {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv6(test::kClient6, test::kVip6)
      .udp(5000, 443)
      .payload(short_packet(id_of(1), size - 48 - 9))
      .build();
}

Configuration over_ipv6(Forwarding forwarding, bool mcphint = false) {
  Configuration configuration = configuration_of(1, forwarding);
  configuration.pools[0].backends[0].address.ip = test::ip("fd00::1");
  configuration.pools[0].backends[0].mcphint = mcphint;
  return configuration;
}

TEST(ErrorsAboutTunnels, TellTheClientWhatFitsInside) {
  for (const auto& [forwarding, overhead] : {std::pair{Forwarding::kIpInIp, 20}, {Forwarding::kGue, 32}}) {
    Balancer balancer(configuration_of(1, forwarding));
    const Frame four = client4(1440), six = client6(1440);
    const auto quoted = [&](const Frame& frame) { return ip_of(balancer.send(frame).sent, kQuoted4); };
    const auto inside = static_cast<size_t>(kQuoted4 - static_cast<size_t>(overhead));

    const auto to_four = balancer.send(error4(quoted(four)).build());
    EXPECT_EQ(to_four.verdict, kIcmpReturned);
    EXPECT_EQ(to_four.sent, told4(ip_of(four, inside), static_cast<uint16_t>(1400 - overhead)));
    const auto to_six = balancer.send(error4(quoted(six)).build());
    EXPECT_EQ(to_six.verdict, kIcmpReturned);
    EXPECT_EQ(to_six.sent, told6(ip_of(six, inside), static_cast<uint16_t>(1400 - overhead)));
  }
}

TEST(ErrorsAboutTunnels, AreUnderstoodOverIpv6WithAndWithoutAnOption) {
  for (const bool mcphint : {false, true}) {
    const size_t overhead = mcphint ? 48 : 40;
    Balancer balancer(over_ipv6(Forwarding::kIpInIp, mcphint));
    const Frame frame = client4(1440);
    const auto outcome = balancer.send(error6(ip_of(balancer.send(frame).sent, kQuoted6)).build());
    EXPECT_EQ(outcome.verdict, kIcmpReturned);
    EXPECT_EQ(outcome.sent, told4(ip_of(frame, kQuoted4), static_cast<uint16_t>(1400 - overhead)));
  }
}

// Routers of long ago quote eight bytes behind the IP header: nobody can tell whose packet that was.
TEST(ErrorsAboutTunnels, ThatQuoteTooLittleAreCounted) {
  for (const Forwarding forwarding : {Forwarding::kIpInIp, Forwarding::kGue}) {
    Balancer balancer(configuration_of(1, forwarding));
    const Frame sent = ip_of(balancer.send(client4(1440)).sent);
    const size_t enough = forwarding == Forwarding::kGue ? 32 + 28 : 20 + 28;
    for (size_t size = 28; size < enough; ++size) {
      const auto outcome = balancer.send(error4({sent.begin(), sent.begin() + static_cast<ptrdiff_t>(size)}).build());
      EXPECT_EQ(outcome.verdict, kIcmpOfOurs) << size;
      EXPECT_TRUE(outcome.sent.empty());
    }
    EXPECT_EQ(balancer.send(error4({sent.begin(), sent.begin() + static_cast<ptrdiff_t>(enough)}).build()).verdict,
              kIcmpReturned);
  }
}

TEST(ErrorsAboutTunnels, TellNothingThatIsNotSo) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  const Frame sent = ip_of(balancer.send(client4(1440)).sent, kQuoted4);
  EXPECT_EQ(balancer.send(error4(sent, 0, 3, 1).build()).verdict, kIcmpOfOurs) << "another error";
  EXPECT_EQ(balancer.send(error4(sent, 0).build()).verdict, kIcmpOfOurs) << "a router that does not say what fits";
  EXPECT_EQ(balancer.send(error4(sent, 1460).build()).verdict, kIcmpOfOurs) << "it would have fitted";
  EXPECT_EQ(balancer.send(error4(sent, 20).build()).verdict, kIcmpOfOurs) << "nothing would";
  EXPECT_EQ(balancer.send(error4(sent, 87).build()).verdict, kIcmpOfOurs) << "less than any link takes";
  EXPECT_EQ(balancer.send(error4(sent, 88).build()).verdict, kIcmpReturned);
  EXPECT_EQ(balancer.send(error4(sent).bad_icmp_checksum().build()).verdict, Verdict::kNone) << "for the link side";
  const Frame six = ip_of(balancer.send(client6(1440)).sent, kQuoted4);
  EXPECT_EQ(balancer.send(error4(six, 1299).build()).verdict, kIcmpOfOurs) << "less than IPv6 allows";
  EXPECT_EQ(balancer.send(error4(six, 1300).build()).verdict, kIcmpReturned);
}

TEST(ErrorsAboutTunnels, ConcernClientsOfServicesAlone) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  const Frame inside =
      FrameBuilder().ipv4(test::kClient4, "198.51.100.9").udp(5000, 443).payload(Frame(500)).build_ip();
  const Frame quoted = FrameBuilder().ipv4(test::kOurs4, "10.0.0.1").protocol(4).payload(inside).build_ip();
  EXPECT_EQ(balancer.send(error4(quoted, 400).build()).verdict, kIcmpOfOurs);
  const Frame question = FrameBuilder().ipv4(test::kOurs4, "10.0.0.1").udp(1000, 443).payload(Frame(500)).build_ip();
  EXPECT_EQ(balancer.send(error4(question, 400).build()).verdict, Verdict::kNone) << "a health question of ours";
}

TEST(ErrorsAboutTunnels, AreToldAtALimitedRate) {
  Configuration configuration = configuration_of(1, Forwarding::kIpInIp);
  configuration.icmp_per_second = 3;
  Balancer balancer(configuration);
  const Frame error = error4(ip_of(balancer.send(client4(1440)).sent, kQuoted4)).build();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(balancer.send(error).verdict, kIcmpReturned);
  EXPECT_EQ(balancer.send(error).verdict, kIcmpOfOurs);
  balancer.pass(Duration::seconds(1));
  EXPECT_EQ(balancer.send(error).verdict, kIcmpReturned);
}

TEST(ErrorsAboutTunnels, AreExplained) {
  Balancer balancer(configuration_of(1, Forwarding::kIpInIp));
  EXPECT_EQ(balancer.explain(error4(ip_of(balancer.send(client4(1440)).sent, kQuoted4)).build()).verdict,
            kIcmpReturned);
}

TEST(ErrorsAboutTranslatedFlows, QuoteWhatTheClientSent) {
  Balancer balancer(configuration_of(1, Forwarding::kNat));
  const Frame frame = client4(1440);
  const Frame sent = ip_of(balancer.send(frame).sent, kQuoted4);
  const auto outcome = balancer.send(error4(sent).build());
  EXPECT_EQ(outcome.verdict, kIcmpReturned);
  EXPECT_EQ(outcome.sent, told4(ip_of(frame, kQuoted4), 1400, test::kRouterMac));
}

TEST(ErrorsAboutTranslatedFlows, GoAcrossTheFamilies) {
  Balancer balancer(configuration_of(1, Forwarding::kNat));
  const Frame frame = client6(1480);
  const Frame sent = ip_of(balancer.send(frame).sent, kQuoted4);
  const auto outcome = balancer.send(error4(sent).build());
  EXPECT_EQ(outcome.verdict, kIcmpReturned);
  EXPECT_EQ(outcome.sent, told6(ip_of(frame, kQuoted4 + 20), 1400, test::kRouterMac));
  // Without a checksum there is nothing to make IPv6's from.
  Frame bare = sent;
  bare[26] = bare[27] = 0;
  EXPECT_EQ(balancer.send(error4(bare).build()).verdict, kIcmpOfOurs);
}

TEST(ErrorsAboutTranslatedFlows, NeedAFlow) {
  Balancer balancer(configuration_of(1, Forwarding::kNat));
  const auto quoted = [](const char* server, uint16_t port) {
    return FrameBuilder().ipv4(test::kOurs4, server).udp(port, 443).payload(Frame(500)).build_ip();
  };
  EXPECT_EQ(balancer.send(error4(quoted("10.0.0.1", test::kFirstNatPort), 400).build()).verdict, kIcmpOfOurs);
  balancer.send(client4(1440));
  EXPECT_EQ(balancer.send(error4(quoted("10.0.0.1", test::kFirstNatPort), 400).build()).verdict, kIcmpReturned);
  EXPECT_EQ(balancer.send(error4(quoted("10.0.0.2", test::kFirstNatPort), 400).build()).verdict, kIcmpOfOurs)
      << "another server than the flow's";
}

// Lengths that no packet of ours has: nothing but what was quoted may ever go to a client.
TEST(ErrorsAboutTranslatedFlows, MayQuoteImpossibleLengths) {
  Balancer balancer(over_ipv6(Forwarding::kNat));
  ASSERT_EQ(balancer.send(client4(1440)).verdict, kRoutedById);
  const auto outcome_of = [&](uint16_t length) {
    const Frame quoted = FrameBuilder()
                             .ipv6(test::kOurs6, "fd00::1")
                             .ip_length(length)
                             .udp(test::kFirstNatPort, 443)
                             .udp_length(1400)
                             .build_ip();
    EXPECT_EQ(quoted.size(), 48u);
    balancer.pass(Duration::milliseconds(20));
    return balancer.send(error6(quoted, 1000).build());
  };
  EXPECT_EQ(outcome_of(1400).verdict, kIcmpReturned);
  const auto expect_nothing = [&](uint32_t first, uint32_t last) {
    for (uint32_t length = first; length <= last; ++length) {
      const auto outcome = outcome_of(static_cast<uint16_t>(length));
      EXPECT_EQ(outcome.verdict, kIcmpOfOurs) << length;
      EXPECT_TRUE(outcome.sent.empty()) << length;
    }
  };
  expect_nothing(0, 7);
  expect_nothing(65'496, 65'535);
}

// Anybody can send them.
TEST(ErrorsAboutTranslatedFlows, KeepNoFlowAlive) {
  Configuration configuration = configuration_of(1, Forwarding::kNat);
  configuration.flow_state.timeout = Duration::seconds(200);
  Balancer balancer(configuration);
  const Frame sent = ip_of(balancer.send(client4(1440)).sent, kQuoted4);
  balancer.pass(Duration::seconds(199));
  EXPECT_EQ(balancer.send(error4(sent).build()).verdict, kIcmpReturned);
  balancer.pass(Duration::seconds(5));
  EXPECT_EQ(balancer.send(error4(sent).build()).verdict, kIcmpOfOurs);
}

// What is quoted comes from anybody: lengths, protocols and ends of their choice.
TEST(ErrorsAboutTunnels, MayQuoteAnything) {
  Random random = Random::from_seed(5);
  for (const Forwarding forwarding : {Forwarding::kIpInIp, Forwarding::kGue, Forwarding::kNat}) {
    Balancer balancer(configuration_of(1, forwarding));
    for (const Frame& frame : {client4(1440), client6(1440)}) {
      const Frame sent = ip_of(balancer.send(frame).sent, kQuoted4);
      for (int round = 0; round < 2000; ++round) {
        Frame quoted(sent.begin(), sent.begin() + static_cast<ptrdiff_t>(random.below(sent.size() + 1)));
        for (uint64_t changes = random.below(6); changes > 0 && !quoted.empty(); --changes)
          quoted[random.below(std::min<size_t>(quoted.size(), 100))] = static_cast<uint8_t>(random.u32());
        const bool is_v6 = random.below(8) == 0;
        const auto mtu = static_cast<uint32_t>(random.below(1600));
        const auto outcome = balancer.send((is_v6 ? error6(quoted, mtu) : error4(quoted, mtu)).build());
        const bool is_known = outcome.verdict == kIcmpReturned || outcome.verdict == kIcmpOfOurs;
        EXPECT_TRUE(is_known || outcome.verdict == Verdict::kNone);
        balancer.pass(Duration::milliseconds(2));
      }
    }
  }
}

// The ports of translated flows say whose flow it is; a tunnel's error is for anybody.
TEST(ErrorsAboutTranslatedFlows, AreForTheWorkerOfTheirPort) {
  Balancer balancer(configuration_of(1, Forwarding::kNat));
  FrameFacts facts;
  facts.first_nat_port = test::kFirstNatPort;
  facts.nat_ports_of_worker = 10;
  facts.last_nat_port = test::kFirstNatPort + 39;
  viaduct::test::FakePool pool(1);
  const auto owner_of = [&](const Frame& frame, bool hand_off) {
    Packet* packet = pool.take();
    packet->length = static_cast<uint16_t>(frame.size());
    std::ranges::copy(frame, packet->data());
    const unsigned owner = Owners{1, 4, hand_off, facts, nullptr}.owner_of(*packet, balancer.snapshot());
    pool.give_back({&packet, 1});
    return owner;
  };
  for (const bool hand_off : {false, true}) {
    for (unsigned worker = 0; worker < 4; ++worker) {
      const auto port = static_cast<uint16_t>(test::kFirstNatPort + 10 * worker + 9);
      const Frame quoted = FrameBuilder().ipv4(test::kOurs4, "10.0.0.1").udp(port, 443).payload(Frame(99)).build_ip();
      EXPECT_EQ(owner_of(error4(quoted).build(), hand_off), worker);
      const Frame hinted =
          FrameBuilder().ipv6(test::kOurs6, "fd00::1").extension(60).udp(port, 443).payload(Frame(99)).build_ip();
      EXPECT_EQ(owner_of(error6(hinted).build(), hand_off), worker) << "with an option of ours";
    }
    const Frame tunnel = FrameBuilder().ipv4(test::kOurs4, "10.0.0.1").protocol(4).payload(Frame(99)).build_ip();
    EXPECT_EQ(owner_of(error4(tunnel).build(), hand_off), 1u);
  }
}

}  // namespace
}  // namespace viaduct::lb
