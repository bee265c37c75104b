// ARP, neighbour discovery and ICMP on a UDP port.
#include "pmd-glue/neighbour_discovery.h"
#include "tests/pmd-glue/cable_fixture.h"

namespace viaduct::net {
namespace {

constexpr MacAddress kNoMac = {};
constexpr uint16_t kRequest = 1, kReply = 2;
const char* const kOurGroup = "ff02::1:ff00:1";   // of 2001:db8::1
const char* const kPeerGroup = "ff02::1:ff00:2";  // of 2001:db8::2
constexpr MacAddress kOurGroupMac = {{0x33, 0x33, 0xff, 0, 0, 0x01}};
constexpr MacAddress kPeerGroupMac = {{0x33, 0x33, 0xff, 0, 0, 0x02}};
constexpr MacAddress kAllNodesMac = {{0x33, 0x33, 0, 0, 0, 0x01}};

FrameBuilder arp_request(const char* target) {
  return FrameBuilder().eth(kBroadcastMac, kPeerMac).arp(kRequest, kPeerMac, kPeer4, kNoMac, target);
}
FrameBuilder arp_reply(const MacAddress& mac, const char* address) {
  return FrameBuilder().eth(kOurMac, mac).arp(kReply, mac, address, kOurMac, kOur4);
}

// The body of a neighbour message: its target and one link-layer address option, or none.
Frame nd_body(const char* target, uint8_t option, const MacAddress& mac) {
  const IpAddress address = ip(target);
  Frame body(address.bytes.begin(), address.bytes.end());
  if (option != 0) {
    body.insert(body.end(), {option, 1});
    body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
  }
  return body;
}
FrameBuilder solicitation(const char* target) {
  return FrameBuilder()
      .eth(kOurGroupMac, kPeerMac)
      .ipv6(kPeer6, kOurGroup)
      .hop_limit(255)
      .icmp(135, 0, 0)
      .payload(nd_body(target, 1, kPeerMac));
}
FrameBuilder advertisement(const char* address, const MacAddress& mac, uint32_t flags = 0x60000000) {
  return FrameBuilder()
      .eth(kOurMac, mac)
      .ipv6(address, kOur6)
      .hop_limit(255)
      .icmp(136, 0, flags)
      .payload(nd_body(address, 2, mac));
}
Frame datagram_to(const MacAddress& mac, const char* remote, const char* payload) {
  const bool is_v4 = ip(remote).is_v4();
  FrameBuilder frame = FrameBuilder().eth(mac, kOurMac).udp(443, 5000).payload(payload);
  return is_v4 ? frame.ipv4(kOur4, remote).dont_fragment().build() : frame.ipv6(kOur6, remote).build();
}

class Neighbours : public Cable {
 protected:
  Frame arp_question(const char* target) {
    return FrameBuilder().eth(kBroadcastMac, kOurMac).arp(kRequest, kOurMac, kOur4, kNoMac, target).build();
  }
  Frame nd_question(const char* target, const MacAddress& to, const char* group) {
    return FrameBuilder()
        .eth(to, kOurMac)
        .ipv6(kOur6, group)
        .hop_limit(255)
        .icmp(135, 0, 0)
        .payload(nd_body(target, 1, kOurMac))
        .build();
  }
  using Frames = std::vector<Frame>;
};

TEST_F(Neighbours, AnnouncesItsAddressesOnceAtTheStart) {
  IpInterfaceConfig config = plain_interface();
  open(config);
  // open() has polled already and taken what was sent; another port of the same interface says it again.
  UdpPort again(ours_->queue(0), *interface_);
  Packet* none[1];
  again.receive(none);
  const std::string link_local = link_local_of(kOurMac).to_string();
  const auto announcement = [](const char* address) {
    return FrameBuilder()
        .eth(kAllNodesMac, kOurMac)
        .ipv6(address, "ff02::1")
        .hop_limit(255)
        .icmp(136, 0, 0x20000000)
        .payload(nd_body(address, 2, kOurMac))
        .build();
  };
  const Frames expected = {
      FrameBuilder().eth(kBroadcastMac, kOurMac).arp(kRequest, kOurMac, kOur4, kNoMac, kOur4).build(),
      announcement(kOur6), announcement(link_local.c_str())};
  EXPECT_EQ(sent_frames(), expected);
  again.receive(none);
  EXPECT_TRUE(sent_frames().empty());
}

TEST_F(Neighbours, AnswersArpForItsAddress) {
  arrive(arp_request(kOur4).padding(18));
  poll();
  const Frames expected = {FrameBuilder().eth(kPeerMac, kOurMac).arp(kReply, kOurMac, kOur4, kPeerMac, kPeer4).build()};
  EXPECT_EQ(sent_frames(), expected);
  EXPECT_EQ(count_of(kArpAnswered), 1u);
}

TEST_F(Neighbours, IgnoresOtherPeoplesArp) {
  arrive(arp_request("198.18.0.77"));
  arrive(arp_reply(kPeerMac, kPeer4));                                                                 // nobody asked
  arrive(FrameBuilder().eth(kBroadcastMac, kPeerMac).arp(kRequest, kPeerMac, kOur4, kNoMac, kPeer4));  // says it is us
  poll();
  EXPECT_EQ(count_of(kArpIgnored), 3u);
  EXPECT_TRUE(sent_frames().empty());
  EXPECT_EQ(interface_->neighbours().used(), 0u);
}

TEST_F(Neighbours, RefusesMalformedArp) {
  arrive(arp_request(kOur4).cut(14 + 27));
  arrive(FrameBuilder().eth(kBroadcastMac, kPeerMac).arp(3, kPeerMac, kPeer4, kNoMac, kOur4));
  arrive(FrameBuilder().eth(kBroadcastMac, kPeerMac).arp(kRequest, kBroadcastMac, kPeer4, kNoMac, kOur4));
  Frame token_ring = arp_request(kOur4).build();
  token_ring[15] = 6;
  arrive(token_ring);
  poll();
  EXPECT_EQ(count_of(kArpMalformed), 4u);
  EXPECT_TRUE(sent_frames().empty());
}

TEST_F(Neighbours, AsksByArpAndSendsWhatWaited) {
  EXPECT_TRUE(send(path(kOur4, kPeer4), "first"));
  EXPECT_TRUE(send(path(kOur4, kPeer4), "second"));
  EXPECT_EQ(sent_frames(), Frames{arp_question(kPeer4)});
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();
  EXPECT_EQ(count_of(kArpLearned), 1u);
  const Frames expected = {datagram_to(kPeerMac, kPeer4, "first"), datagram_to(kPeerMac, kPeer4, "second")};
  EXPECT_EQ(sent_frames(), expected);
  EXPECT_TRUE(send(path(kOur4, kPeer4), "third"));
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kPeerMac, kPeer4, "third")});
}

TEST_F(Neighbours, SolicitsAndSendsWhatWaited) {
  EXPECT_TRUE(send(path(kOur6, kPeer6), "first"));
  EXPECT_EQ(sent_frames(), Frames{nd_question(kPeer6, kPeerGroupMac, kPeerGroup)});
  arrive(advertisement(kPeer6, kPeerMac));
  poll();
  EXPECT_EQ(count_of(kNdLearned), 1u);
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kPeerMac, kPeer6, "first")});
}

TEST_F(Neighbours, SendsToTheGatewayWhatIsNotOnItsPrefix) {
  EXPECT_TRUE(send(path(kOur4, kFar4), "far"));
  EXPECT_EQ(sent_frames(), Frames{arp_question(kGateway4)});
  arrive(arp_reply(kOtherMac, kGateway4));
  poll();
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kOtherMac, kFar4, "far")});

  EXPECT_TRUE(send(path(kOur6, kFar6), "far"));
  sent_frames();
  arrive(advertisement(kGateway6, kOtherMac));
  poll();
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kOtherMac, kFar6, "far")});
}

TEST_F(Neighbours, DropsWhatHasNoRoute) {
  IpInterfaceConfig config = plain_interface();
  config.gateway4.reset();
  open(config);
  EXPECT_TRUE(send(path(kOur4, kFar4), "nowhere"));
  EXPECT_EQ(port().counters().no_route, 1u);
  EXPECT_TRUE(sent_frames().empty());
}

TEST_F(Neighbours, GivesUpAfterFourQuestionsAndTriesAgainLater) {
  EXPECT_TRUE(send(path(kOur4, kPeer4), "lost"));
  EXPECT_EQ(sent_frames().size(), 1u);
  unsigned questions = 1;
  for (int i = 0; i < 40; ++i) {
    pass(Duration::milliseconds(100));
    poll();
    for (const Frame& frame : sent_frames()) questions += frame == arp_question(kPeer4);
  }
  EXPECT_EQ(questions, 4u);
  EXPECT_EQ(port().counters().unresolved, 1u);
  EXPECT_EQ(ours_->pool().used, 0u);
  EXPECT_TRUE(send(path(kOur4, kPeer4), "at once"));  // known to be away: dropped without a question
  EXPECT_EQ(port().counters().unresolved, 2u);
  EXPECT_TRUE(sent_frames().empty());

  pass(Duration::seconds(4));
  poll();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "again"));
  EXPECT_EQ(sent_frames(), Frames{arp_question(kPeer4)});
}

TEST_F(Neighbours, BoundsWhatWaits) {
  IpInterfaceConfig config = plain_interface();
  config.pending_per_neighbour = 8;
  config.pending = 64;
  open(config);
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(send(path(kOur4, kPeer4), "one of many"));
  EXPECT_EQ(port().counters().waited, 8u);
  EXPECT_EQ(port().counters().pending_full, 4u);
  for (int i = 10; i < 30; ++i) {
    const std::string remote = "198.18.0." + std::to_string(i);
    for (int j = 0; j < 8; ++j) EXPECT_TRUE(send(path(kOur4, remote.c_str()), "to everybody"));
  }
  EXPECT_EQ(port().counters().waited, 64u);
}

TEST_F(Neighbours, ConfirmsNeighboursInUseAndForgetsTheOthers) {
  EXPECT_TRUE(send(path(kOur4, kPeer4), "x"));
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "x"));
  sent_frames();

  pass(Duration::seconds(31));
  poll();  // it was used: it is asked, alone
  const Frame question = FrameBuilder().eth(kPeerMac, kOurMac).arp(kRequest, kOurMac, kOur4, kNoMac, kPeer4).build();
  EXPECT_EQ(sent_frames(), Frames{question});
  EXPECT_TRUE(send(path(kOur4, kPeer4), "goes on meanwhile"));
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kPeerMac, kPeer4, "goes on meanwhile")});
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();

  pass(Duration::seconds(31));
  poll();
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();
  pass(Duration::seconds(31));
  poll();  // nobody sent anything since
  EXPECT_EQ(interface_->neighbours().used(), 0u);
}

TEST_F(Neighbours, AsksEverybodyWhenAConfirmationDoesNotCome) {
  EXPECT_TRUE(send(path(kOur4, kPeer4), "x"));
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "x"));
  pass(Duration::seconds(31));
  for (int i = 0; i < 30; ++i) {
    poll();
    pass(Duration::milliseconds(100));
  }
  sent_frames();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "moved"));
  arrive(arp_reply(kOtherMac, kPeer4));
  poll();
  const auto frames = sent_frames();
  EXPECT_EQ(frames.back(), datagram_to(kOtherMac, kPeer4, "moved"));
}

TEST_F(Neighbours, FollowsANeighbourThatMoves) {
  EXPECT_TRUE(send(path(kOur4, kPeer4), "x"));
  arrive(arp_reply(kPeerMac, kPeer4));
  poll();
  sent_frames();
  arrive(FrameBuilder().eth(kBroadcastMac, kOtherMac).arp(kRequest, kOtherMac, kPeer4, kNoMac, kPeer4));
  poll();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "to the new place"));
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kOtherMac, kPeer4, "to the new place")});
}

TEST_F(Neighbours, LearnsFromQuestionsOnlyIfConfigured) {
  arrive(arp_request(kOur4));
  arrive(solicitation(kOur6));
  poll();
  EXPECT_EQ(interface_->neighbours().used(), 0u);

  IpInterfaceConfig config = plain_interface();
  config.learn_from_questions = true;
  open(config);
  arrive(arp_request(kOur4));
  arrive(solicitation(kOur6));
  poll();
  EXPECT_EQ(interface_->neighbours().used(), 2u);
  sent_frames();
  EXPECT_TRUE(send(path(kOur4, kPeer4), "known already"));
  EXPECT_EQ(sent_frames(), Frames{datagram_to(kPeerMac, kPeer4, "known already")});
}

TEST_F(Neighbours, AnswersSolicitations) {
  arrive(solicitation(kOur6));
  poll();
  const Frames expected = {FrameBuilder()
                               .eth(kPeerMac, kOurMac)
                               .ipv6(kOur6, kPeer6)
                               .hop_limit(255)
                               .icmp(136, 0, 0x60000000)
                               .payload(nd_body(kOur6, 2, kOurMac))
                               .build()};
  EXPECT_EQ(sent_frames(), expected);
  EXPECT_EQ(count_of(kNdAnswered), 1u);
}

TEST_F(Neighbours, AnswersAProbeForDuplicatesToAllNodes) {
  arrive(FrameBuilder()
             .eth(kOurGroupMac, kPeerMac)
             .ipv6("::", kOurGroup)
             .hop_limit(255)
             .icmp(135, 0, 0)
             .payload(nd_body(kOur6, 0, kNoMac)));
  poll();
  const Frames expected = {FrameBuilder()
                               .eth(kAllNodesMac, kOurMac)
                               .ipv6(kOur6, "ff02::1")
                               .hop_limit(255)
                               .icmp(136, 0, 0x20000000)
                               .payload(nd_body(kOur6, 2, kOurMac))
                               .build()};
  EXPECT_EQ(sent_frames(), expected);
}

TEST_F(Neighbours, RefusesMalformedDiscovery) {
  arrive(solicitation(kOur6).hop_limit(64));  // came through a router
  arrive(solicitation("ff02::1"));            // for a group
  arrive(solicitation(kOur6).payload(std::string(15, 'x')));
  arrive(solicitation(kOur6).payload(nd_body(kOur6, 1, kPeerMac)).ipv6("::", kOurGroup));
  Frame endless = nd_body(kOur6, 1, kPeerMac);
  endless[17] = 0;  // an option of no length
  arrive(solicitation(kOur6).payload(endless));
  arrive(advertisement(kPeer6, kPeerMac).ipv6(kPeer6, "ff02::1").eth(kAllNodesMac, kPeerMac));  // solicited, to all
  poll();
  EXPECT_EQ(count_of(kNdMalformed), 6u);
  EXPECT_TRUE(sent_frames().empty());
}

TEST_F(Neighbours, IgnoresOtherPeoplesDiscovery) {
  arrive(solicitation("2001:db8::77"));
  arrive(advertisement("2001:db8::77", kPeerMac));
  arrive(advertisement(kOur6, kPeerMac).ipv6(kPeer6, kOur6));  // says that it has our address
  poll();
  EXPECT_EQ(count_of(kNdIgnored), 3u);
  EXPECT_TRUE(sent_frames().empty());
}

// The kernel's fanout or a NIC's hash decides which queue an answer comes to.
TEST_F(Neighbours, AnAnswerToOneWorkerServesTheOthers) {
  open(plain_interface(), 2);
  EXPECT_TRUE(send(path(kOur4, kPeer4), "from the second worker", Ecn::kNotEct, 1));
  EXPECT_EQ(sent_frames(1), Frames{arp_question(kPeer4)});
  EXPECT_TRUE(send(path(kOur4, kPeer4), "from the first", Ecn::kNotEct, 0));
  EXPECT_TRUE(sent_frames(0).empty()) << "the question was asked already";

  arrive(arp_reply(kPeerMac, kPeer4), 0);
  poll(0);
  EXPECT_EQ(sent_frames(0), Frames{datagram_to(kPeerMac, kPeer4, "from the first")});
  port(1).wait(Instant::never());  // woken by the first worker: would not return otherwise
  poll(1);
  EXPECT_EQ(sent_frames(1), Frames{datagram_to(kPeerMac, kPeer4, "from the second worker")});
}

class Icmp : public Cable {};

TEST_F(Icmp, AnswersEcho) {
  arrive(FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4).icmp(8, 0, 0x12340001).payload("are you there?"));
  arrive(FrameBuilder().eth(kOurMac, kPeerMac).ipv6(kPeer6, kOur6).icmp(128, 0, 0x12340001).payload("are you there?"));
  poll();
  const std::vector<Frame> expected = {FrameBuilder()
                                           .eth(kPeerMac, kOurMac)
                                           .ipv4(kOur4, kPeer4)
                                           .icmp(0, 0, 0x12340001)
                                           .payload("are you there?")
                                           .build(),
                                       FrameBuilder()
                                           .eth(kPeerMac, kOurMac)
                                           .ipv6(kOur6, kPeer6)
                                           .icmp(129, 0, 0x12340001)
                                           .payload("are you there?")
                                           .build()};
  EXPECT_EQ(sent_frames(), expected);
  EXPECT_EQ(count_of(kIcmpEchoAnswered), 2u);
  EXPECT_EQ(port().counters().answers, 2u);
}

TEST_F(Icmp, AnswersEchoUpToARate) {
  const FrameBuilder echo = FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4).icmp(8, 0, 1);
  for (int i = 0; i < 120; ++i) {
    arrive(echo);
    poll();
    sent_frames();
  }
  EXPECT_EQ(count_of(kIcmpEchoAnswered), 100u);
  EXPECT_EQ(count_of(kIcmpEchoLimited), 20u);
  pass(Duration::seconds(1));
  arrive(echo);
  poll();
  EXPECT_EQ(count_of(kIcmpEchoAnswered), 101u);
  expect_all_accounted();
}

TEST_F(Icmp, IgnoresAndRefusesTheRest) {
  const FrameBuilder v4 = FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4);
  const FrameBuilder v6 = FrameBuilder().eth(kOurMac, kPeerMac).ipv6(kPeer6, kOur6);
  arrive(FrameBuilder(v4).icmp(3, 3, 0).payload("port unreachable"));
  arrive(FrameBuilder(v4).icmp(0, 0, 0));
  arrive(FrameBuilder(v6).icmp(134, 0, 0).payload("router advertisement"));
  arrive(FrameBuilder(v6).icmp(128, 0, 0).ipv6(kPeer6, "ff02::1"));
  poll();
  EXPECT_EQ(count_of(kIcmpIgnored), 4u);
  arrive(FrameBuilder(v4).icmp(8, 0, 0).bad_icmp_checksum());
  arrive(FrameBuilder(v6).icmp(128, 0, 0).bad_icmp_checksum());
  arrive(FrameBuilder(v4).icmp(8, 0, 0).ip_length(27));
  poll();
  EXPECT_EQ(count_of(kIcmpMalformed), 3u);
  EXPECT_TRUE(sent_frames().empty());
  expect_all_accounted();
}

class PathMtu : public Cable {
 protected:
  // A datagram of ours as a router quotes it.
  static Frame ours4(uint16_t port = 443) {
    Frame packet = FrameBuilder().ipv4(kOur4, kFar4).udp(port, 5000).payload(std::string(1472, 'q')).build_ip();
    packet.resize(20 + 8 + 20);
    return packet;
  }
  static Frame ours6() {
    Frame packet = FrameBuilder().ipv6(kOur6, kFar6).udp(443, 5000).payload(std::string(1452, 'q')).build_ip();
    packet.resize(1232 - 8);
    return packet;
  }
  static FrameBuilder too_big4(uint32_t mtu, const Frame& quoted) {
    return FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kGateway4, kOur4).icmp(3, 4, mtu).payload(quoted);
  }
  static FrameBuilder too_big6(uint32_t mtu, const Frame& quoted) {
    return FrameBuilder().eth(kOurMac, kPeerMac).ipv6(kGateway6, kOur6).icmp(2, 0, mtu).payload(quoted);
  }
};

TEST_F(PathMtu, HandsMessagesUp) {
  arrive(too_big4(1400, ours4()));
  arrive(too_big6(1300, ours6()));
  poll();
  EXPECT_EQ(count_of(kIcmpPathMtu), 2u);
  auto message = port().take_path_mtu();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->path, path(kOur4, kFar4));
  EXPECT_EQ(message->mtu, 1400u);
  EXPECT_EQ(message->udp_payload, 1372u);
  EXPECT_EQ(std::string(message->quoted.data(), message->quoted.data() + message->quoted_length), std::string(20, 'q'));
  message = port().take_path_mtu();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->path, path(kOur6, kFar6));
  EXPECT_EQ(message->udp_payload, 1300u - 48);
  EXPECT_EQ(message->quoted_length, 48u);
  EXPECT_FALSE(port().take_path_mtu());
}

// proves RFC 9000 14.2.1-2 14.2.1-3 14.2.1-4 14.2.1-5
TEST_F(PathMtu, RefusesWhatCannotBe) {
  arrive(too_big4(1400, ours4(444)));  // we do not send from there
  arrive(too_big4(500, ours4()));      // nobody's link
  arrive(too_big4(0, ours4()));        // a router of before 1990
  arrive(too_big4(1500, ours4()));     // not less than our own
  arrive(too_big6(1279, ours6()));     // less than IPv6's least
  arrive(too_big6(0x10500, ours6()));
  arrive(too_big4(1400,
                  FrameBuilder().ipv4("198.18.0.9", kFar4).udp(443, 5000).payload(std::string(1472, 'q')).build_ip()));
  arrive(too_big4(1400, FrameBuilder().ipv4(kOur4, kFar4).udp(443, 5000).payload("was small").build_ip()));
  arrive(too_big4(1400, FrameBuilder().ipv4(kOur4, kFar4).protocol(6).payload(std::string(1472, 'q')).build_ip()));
  Frame stump = ours4();
  stump.resize(27);
  arrive(too_big4(1400, stump));
  stump.resize(19);
  arrive(too_big4(1400, stump));
  poll();
  EXPECT_EQ(count_of(kIcmpPathMtuRefused), 11u);
  EXPECT_FALSE(port().take_path_mtu());
  expect_all_accounted();
}

TEST_F(PathMtu, ReachesEveryWorker) {
  open(plain_interface(), 2);
  arrive(too_big4(1400, ours4()), 1);
  poll(1);
  ASSERT_TRUE(port(0).take_path_mtu());
  ASSERT_TRUE(port(1).take_path_mtu());
  EXPECT_FALSE(port(0).take_path_mtu());
}

}  // namespace
}  // namespace viaduct::net
