// Health: what is asked when, what answers and silence come to, and the question on the wire.
#include <gtest/gtest.h>

#include <algorithm>

#include "apps/lb/health_checks.h"
#include "tests/lb/fake_target.h"

namespace viaduct::lb {
namespace {

using test::configuration_of;
using test::FakeTarget;
using test::Frame;
using test::FrameBuilder;

constexpr Duration kTick = Duration::milliseconds(100);

// A server that answers, or not, watched for some time; the moments at which it was asked.
struct Watched {
  explicit Watched(const HealthConfig& given = {}) : config(given) { monitor.watch({{"web/s1", config}}, now); }

  std::vector<Instant> run(Duration time, bool answers) {
    std::vector<Instant> asked;
    for (const Instant end = now + time; now < end; now = now + kTick) {
      for (const auto& question : monitor.due(now)) {
        asked.push_back(now);
        if (answers) {
          EXPECT_TRUE(monitor.answer(question.token, now));
        }
      }
    }
    return asked;
  }
  bool is_healthy() const { return monitor.find("web/s1")->is_healthy; }

  HealthConfig config;
  Instant now = Instant::from_ns(0);
  HealthMonitor monitor{Random::from_seed(1)};
};

TEST(HealthMonitor, AsksOncePerIntervalMoreOrLess) {
  Watched it;
  const auto asked = it.run(Duration::seconds(200), true);
  EXPECT_NEAR(static_cast<double>(asked.size()), 100, 5);
  Duration shortest = Duration::infinite(), longest;
  for (size_t i = 1; i < asked.size(); ++i) {
    shortest = std::min(shortest, asked[i] - asked[i - 1]);
    longest = std::max(longest, asked[i] - asked[i - 1]);
  }
  EXPECT_GE(shortest, Duration::milliseconds(1800));
  EXPECT_LE(longest, Duration::milliseconds(2300));
  EXPECT_LT(shortest, longest) << "intervals are not all the same";
}

TEST(HealthMonitor, ServersAreNotAskedInStep) {
  std::vector<HealthTarget> targets;
  for (int i = 0; i < 50; ++i) targets.push_back({"web/s" + std::to_string(i), {}});
  HealthMonitor monitor(Random::from_seed(2));
  monitor.watch(targets, Instant::from_ns(0));
  size_t most = 0;
  for (int tick = 0; tick < 20; ++tick) most = std::max(most, monitor.due(Instant::from_ns(0) + kTick * tick).size());
  EXPECT_LT(most, 12u);
}

TEST(HealthMonitor, FallsAfterSoManySilencesAndRisesAfterSoManyAnswers) {
  Watched it;
  it.run(Duration::seconds(10), true);
  EXPECT_TRUE(it.is_healthy());
  EXPECT_TRUE(it.monitor.take_changes().empty());
  const auto silent = it.run(Duration::milliseconds(5'500), false);
  EXPECT_LE(silent.size(), 3u);
  it.run(Duration::seconds(3), false);
  EXPECT_FALSE(it.is_healthy());
  const auto changes = it.monitor.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].name, "web/s1");
  EXPECT_FALSE(changes[0].is_healthy);
  const auto answered = it.run(Duration::milliseconds(2'100), true);
  EXPECT_EQ(answered.size(), 1u);
  EXPECT_FALSE(it.is_healthy());
  it.run(Duration::seconds(3), true);
  EXPECT_TRUE(it.is_healthy());
  EXPECT_TRUE(it.monitor.take_changes().at(0).is_healthy);
}

TEST(HealthMonitor, OneLostAnswerNowAndThenIsNothing) {
  Watched it;
  for (int i = 0; i < 20; ++i) {
    it.run(Duration::seconds(4), false);
    it.run(Duration::seconds(4), true);
  }
  EXPECT_TRUE(it.is_healthy());
  const HealthFigures& figures = *it.monitor.find("web/s1");
  EXPECT_EQ(figures.asked, figures.answered + figures.unanswered);
  EXPECT_GT(figures.unanswered, 20u);
}

TEST(HealthMonitor, TakesOneAnswerToEachQuestionInTime) {
  Watched it;
  std::vector<HealthMonitor::Question> questions;
  while ((questions = it.monitor.due(it.now)).empty()) it.now = it.now + kTick;
  EXPECT_FALSE(it.monitor.answer(questions[0].token + 1, it.now));
  EXPECT_TRUE(it.monitor.answer(questions[0].token, it.now));
  EXPECT_FALSE(it.monitor.answer(questions[0].token, it.now)) << "twice";
  while ((questions = it.monitor.due(it.now)).empty()) it.now = it.now + kTick;
  EXPECT_FALSE(it.monitor.answer(questions[0].token, it.now + it.config.timeout)) << "too late";
}

TEST(HealthMonitor, TakesABadAnswerForNoneAndSaysWhatIsWrong) {
  Watched it;
  const auto fail = [&](Duration time) {
    for (const Instant end = it.now + time; it.now < end; it.now = it.now + kTick) {
      for (const auto& question : it.monitor.due(it.now)) {
        EXPECT_TRUE(it.monitor.fail(question.token, "status 503"));
        EXPECT_FALSE(it.monitor.answer(question.token, it.now)) << "it is settled";
      }
    }
  };
  fail(Duration::seconds(9));
  EXPECT_FALSE(it.is_healthy());
  EXPECT_EQ(it.monitor.find("web/s1")->problem, "status 503");
  EXPECT_EQ(it.monitor.take_changes().at(0).problem, "status 503");
  it.run(Duration::seconds(9), false);
  EXPECT_EQ(it.monitor.find("web/s1")->problem, "no answer");
  it.run(Duration::seconds(9), true);
  EXPECT_TRUE(it.is_healthy());
  EXPECT_EQ(it.monitor.find("web/s1")->problem, "");
}

TEST(HealthMonitor, CountsNothingThatCouldNotBeAsked) {
  Watched it;
  for (const Instant end = it.now + Duration::seconds(60); it.now < end; it.now = it.now + kTick) {
    for (const auto& question : it.monitor.due(it.now)) it.monitor.withdraw(question.token);
  }
  EXPECT_TRUE(it.is_healthy());
  EXPECT_EQ(it.monitor.find("web/s1")->asked, 0u);
  EXPECT_EQ(it.monitor.find("web/s1")->unanswered, 0u);
}

TEST(HealthMonitor, KeepsStatesWhenTheListChanges) {
  Watched it;
  it.run(Duration::seconds(10), false);
  EXPECT_FALSE(it.is_healthy());
  it.monitor.watch({{"web/s1", it.config}, {"web/s2", it.config}}, it.now);
  EXPECT_FALSE(it.is_healthy());
  EXPECT_TRUE(it.monitor.find("web/s2")->is_healthy);
  it.monitor.watch({{"web/s2", it.config}}, it.now);
  EXPECT_EQ(it.monitor.find("web/s1"), nullptr);
}

// --- on the wire ---

Frame negotiation(const Frame& dcid, const Frame& scid, std::initializer_list<uint8_t> versions) {
  Frame packet = {0x80, 0, 0, 0, 0, static_cast<uint8_t>(dcid.size())};
  packet.insert(packet.end(), dcid.begin(), dcid.end());
  packet.push_back(static_cast<uint8_t>(scid.size()));
  packet.insert(packet.end(), scid.begin(), scid.end());
  packet.insert(packet.end(), versions);
  return packet;
}

struct Asked {
  explicit Asked(Forwarding forwarding) : configuration(configuration_of(2, forwarding)) {
    snapshot = *RoutingSnapshot::make(configuration, test::link_facts(), slots);
    probe = *probe_for(*snapshot, 1, 0x1122334455667788);
    Packet* packet = pool.take();
    write_probe(*packet, probe, *snapshot, test::backend_mac(2));
    frame.assign(packet->bytes().begin(), packet->bytes().end());
    pool.give_back({&packet, 1});
  }
  // Of the QUIC packet, which is what the frame ends with.
  Frame quic() const { return {frame.end() - kProbeBytes, frame.end()}; }
  Frame id(size_t at) const {
    const Frame packet = quic();
    return {packet.begin() + static_cast<long>(at), packet.begin() + static_cast<long>(at) + 8};
  }

  Configuration configuration;
  SlotDirectory slots;
  std::unique_ptr<const RoutingSnapshot> snapshot;
  viaduct::test::FakePool pool{1};
  Probe probe;
  Frame frame;
};

TEST(HealthProbe, AsksTheServiceThroughTheForwardingOfItsBackend) {
  for (const Forwarding forwarding : {Forwarding::kDirect, Forwarding::kIpInIp, Forwarding::kGue, Forwarding::kNat}) {
    const Asked it(forwarding);
    SCOPED_TRACE(kForwardingNames[static_cast<size_t>(forwarding)]);
    EXPECT_TRUE(std::equal(it.frame.begin(), it.frame.begin() + 6, test::backend_mac(2).bytes.begin()));
    EXPECT_EQ(it.probe.from.to_string(), "10.0.0.254:1000");
    EXPECT_EQ(it.probe.to.to_string(), forwarding == Forwarding::kNat ? "10.0.0.2:443" : "192.0.2.1:443");
    const size_t outer = forwarding == Forwarding::kIpInIp ? 20 : forwarding == Forwarding::kGue ? 32 : 0;
    ASSERT_EQ(it.frame.size(), 14 + outer + 28 + kProbeBytes);
    const uint8_t* inner = it.frame.data() + 14 + outer;
    EXPECT_EQ(inner[0], 0x45);
    EXPECT_EQ(IpAddress::v4(inner + 12), it.probe.from.ip);
    EXPECT_EQ(IpAddress::v4(inner + 16), it.probe.to.ip);
    if (outer > 0) {
      EXPECT_EQ(IpAddress::v4(it.frame.data() + 14 + 16), test::ip("10.0.0.2"));
    }
  }
}

TEST(HealthProbe, IsAPacketThatAnyServerMustAnswer) {
  const Asked it(Forwarding::kDirect);
  const Frame quic = it.quic();
  EXPECT_EQ(quic.size(), 1200u);
  EXPECT_EQ(quic[0] & 0x80, 0x80);
  for (size_t i = 1; i <= 4; ++i) EXPECT_EQ(quic[i] & 0x0f, 0x0a) << "RFC 9000 section 15";
}

TEST(HealthProbe, KnowsTheAnswer) {
  const Asked it(Forwarding::kDirect);
  const Frame dcid = it.id(6), scid = it.id(15);
  const auto read = [&](const Frame& answer) { return read_probe_answer(answer, it.probe.to); };
  EXPECT_EQ(read(negotiation(scid, dcid, {0, 0, 0, 1})), it.probe.token);
  EXPECT_EQ(read(negotiation(scid, dcid, {0x6b, 0x33, 0x43, 0xcf, 0, 0, 0, 1})), it.probe.token);
  EXPECT_FALSE(read(negotiation(scid, dcid, {}))) << "no version";
  EXPECT_FALSE(read(negotiation(scid, dcid, {0, 0, 0, 1, 0}))) << "half a version";
  EXPECT_FALSE(read(negotiation(scid, dcid, {0, 0, 0, 1, 0x5a, 0x6a, 0x7a, 0x8a}))) << "the one asked for";
  EXPECT_FALSE(read(negotiation(dcid, scid, {0, 0, 0, 1}))) << "IDs not swapped";
  EXPECT_FALSE(read(negotiation(scid, scid, {0, 0, 0, 1}))) << "another ID";
  EXPECT_FALSE(read(it.quic())) << "the question itself";
  const Frame answer = negotiation(scid, dcid, {0, 0, 0, 1});
  for (size_t length = 0; length < answer.size(); ++length)
    EXPECT_FALSE(read_probe_answer(Bytes(answer).first(length), it.probe.to)) << length;
}

// As a server behind direct return answers that is not bound to the service's address: no client would take that.
TEST(HealthProbe, TakesAnAnswerOfTheAddressThatWasAskedAlone) {
  for (const auto& [from, is_taken] : {std::pair{test::kVip4, true}, std::pair{"10.0.0.2", false}}) {
    const Asked it(Forwarding::kDirect);
    const auto answer = [&](uint16_t port) {
      return FrameBuilder()
          .eth(test::kOurMac, test::backend_mac(2))
          .ipv4(from, test::kOurs4)
          .udp(port, kProbePort)
          .payload(negotiation(it.id(15), it.id(6), {0, 0, 0, 1}))
          .build();
    };
    HealthChannel channel;
    EXPECT_EQ(channel.take(answer(443), *it.snapshot), is_taken) << from;
    EXPECT_FALSE(channel.take(answer(444), *it.snapshot)) << "another port of " << from;
  }
}

// --- together ---

TEST(HealthChecks, TakeASilentServerOutAndBringItBack) {
  Configuration configuration = configuration_of(2);
  configuration.pools[0].health = HealthConfig{};
  FakeTarget target(configuration);
  Controller controller(target, configuration);
  HealthChannel channel;
  int nudges = 0;
  HealthChecks checks(controller, target, {&channel}, [&] { ++nudges; }, Random::from_seed(3));
  bool second_answers = true;
  const auto run = [&](Duration time) {
    viaduct::test::FakePool pool(1);
    for (Duration passed; passed < time; passed += kTick) {
      checks.tend();
      for (;;) {
        Packet* packet = pool.take();
        if (!channel.write(*packet, target.balancer().router(), target.routing())) {
          pool.give_back({&packet, 1});
          break;
        }
        const bool is_second = packet->data()[5] == 2;
        const Frame quic(packet->bytes().end() - kProbeBytes, packet->bytes().end());
        const Frame dcid(quic.begin() + 6, quic.begin() + 14), scid(quic.begin() + 15, quic.begin() + 23);
        const Frame answer = FrameBuilder()
                                 .eth(test::kOurMac, test::backend_mac(1))
                                 .ipv4(test::kVip4, test::kOurs4)
                                 .udp(443, kProbePort)
                                 .payload(negotiation(scid, dcid, {0, 0, 0, 1}))
                                 .build();
        if (!is_second || second_answers) {
          EXPECT_TRUE(channel.take(answer, target.routing()));
        }
        pool.give_back({&packet, 1});
      }
      target.balancer().pass(kTick);
    }
  };
  // The balancer has to have seen the snapshot before its next hops can be asked for.
  target.balancer().send4(test::short_packet(test::id_of(1)));
  run(Duration::seconds(10));
  EXPECT_GT(nudges, 5);
  EXPECT_TRUE(target.routing().is_usable(1));
  second_answers = false;
  run(Duration::seconds(10));
  EXPECT_TRUE(target.routing().is_usable(0));
  EXPECT_FALSE(target.routing().is_usable(1));
  EXPECT_GT(checks.monitor().find("web/s2")->unanswered, 2u);
  second_answers = true;
  target.balancer().send4(test::short_packet(test::id_of(1)));
  run(Duration::seconds(8));
  EXPECT_TRUE(target.routing().is_usable(1));
}

TEST(HealthChecks, LeaveAloneWhomNobodyWantsAsked) {
  Configuration configuration = configuration_of(3);
  configuration.pools[0].health = HealthConfig{};
  configuration.pools[0].backends[1].state = BackendState::kDown;
  FakeTarget target(configuration);
  Controller controller(target, configuration);
  HealthChannel channel;
  HealthChecks checks(controller, target, {&channel}, [] {}, Random::from_seed(4));
  checks.tend();
  EXPECT_NE(checks.monitor().find("web/s1"), nullptr);
  EXPECT_EQ(checks.monitor().find("web/s2"), nullptr);
  ASSERT_TRUE(controller.set_state("web/s3", BackendState::kDown).empty());
  checks.tend();
  EXPECT_EQ(checks.monitor().find("web/s3"), nullptr);
}

}  // namespace
}  // namespace viaduct::lb
