// Health by a request: what a server's answers come to, and how they find their way through workers.
#include <gtest/gtest.h>

#include <deque>

#include "apps/lb/health_checks.h"
#include "tests/lb/fake_target.h"
#include "tests/lb/web_server.h"

namespace viaduct::lb {
namespace {

using test::Certificate;
using test::configuration_of;
using test::FakeTarget;
using test::Frame;
using test::FrameBuilder;
using test::WebServer;

constexpr Duration kStep = Duration::milliseconds(2);
constexpr Path kWay{{IpAddress::v4(10, 0, 0, 254), 100}, {IpAddress::v4(192, 0, 2, 1), 443}};

const Certificate& certificate() {
  static const Certificate one;
  return one;
}

Http3Question question_of(const Certificate& trusted) {
  return {.host = "web.example", .path = "/health", .ca_file = trusted.file};
}

// A prober and a server, joined directly.
struct Inquiry {
  explicit Inquiry(const Http3Question& question = question_of(certificate()), std::vector<std::string> alpn = {"h3"})
      : server(certificate(), std::move(alpn)) {
    auto made = Http3Prober::make(question, Duration::seconds(1), 4);
    EXPECT_TRUE(made) << made.error();
    prober = std::move(*made);
  }

  bool ask(uint64_t token) { return prober->ask(token, kWay, now + Duration::seconds(1), now); }
  // Until there is a result; what it says is wrong, or "well", or "nothing" after two seconds.
  std::string result() {
    for (const Instant end = now + Duration::seconds(2); now < end; now = now + kStep) {
      round();
      const auto results = prober->take_results();
      if (results.empty()) continue;
      EXPECT_EQ(results.size(), 1u);
      return results[0].problem.empty() ? "well" : results[0].problem;
    }
    return "nothing";
  }
  std::string ask_once() {
    EXPECT_TRUE(ask(7));
    return result();
  }
  void round() {
    prober->step(now, [&](const Path& path, Bytes bytes) {
      EXPECT_LE(bytes.size(), Http3Prober::kMostDatagram);
      if (is_silent) return;
      for (auto& sent : server.answer({path.remote, path.local}, bytes, now)) on_the_way.push_back(std::move(sent));
    });
    while (!on_the_way.empty()) {
      const auto [path, bytes] = on_the_way.front();
      on_the_way.pop_front();
      prober->take({path.remote, path.local}, bytes, now);
    }
  }

  WebServer server;
  std::unique_ptr<Http3Prober> prober;
  std::deque<WebServer::Sent> on_the_way;
  bool is_silent = false;
  Instant now = Instant::from_ns(1'000'000'000);
};

TEST(Http3Question, IsARequestForWhatTheConfigurationSays) {
  Inquiry it;
  EXPECT_EQ(it.ask_once(), "well");
  EXPECT_EQ(it.server.method, "GET");
  EXPECT_EQ(it.server.host, "web.example");
  EXPECT_EQ(it.server.path, "/health");
  EXPECT_FALSE(it.prober->is_busy());
}

TEST(Http3Question, IsAnsweredWellByStatusesInTheRangeAlone) {
  Http3Question question = question_of(certificate());
  for (const auto& [status, expected] :
       {std::pair{200, "well"}, {399, "well"}, {400, "status 400"}, {503, "status 503"}}) {
    Inquiry it(question);
    it.server.status = static_cast<uint16_t>(status);
    EXPECT_EQ(it.ask_once(), expected);
  }
  question.least_status = question.most_status = 404;
  Inquiry it(question);
  it.server.status = 404;
  EXPECT_EQ(it.ask_once(), "well");
}

TEST(Http3Question, SaysWhatIsWrongWithTheCertificate) {
  Http3Question question = question_of(certificate());
  question.host = "other.example";
  EXPECT_EQ(Inquiry(question).ask_once(), "certificate: bad, or not for this host");
  question = question_of(certificate());
  question.ca_file.clear();
  EXPECT_EQ(Inquiry(question).ask_once(), "certificate: of an authority that is not trusted");
  question.insecure = true;
  EXPECT_EQ(Inquiry(question).ask_once(), "well");
}

TEST(Http3Question, SaysThatTheServerSpeaksSomethingElse) {
  EXPECT_EQ(Inquiry(question_of(certificate()), {"doq"}).ask_once(), "the server does not speak h3");
}

TEST(Http3Question, IsWaitedForUntilItsDeadline) {
  Inquiry silent;
  silent.is_silent = true;
  const Instant start = silent.now;
  EXPECT_EQ(silent.ask_once(), "handshake timed out");
  EXPECT_EQ(silent.now - start, Duration::seconds(1));
  Inquiry slow;
  slow.server.answers = false;
  EXPECT_EQ(slow.ask_once(), "response timed out");
  EXPECT_FALSE(slow.prober->is_busy());
}

TEST(Http3Question, IsOneOfAFewAtATime) {
  Inquiry it;
  it.is_silent = true;
  for (uint64_t token = 1; token <= 4; ++token) EXPECT_TRUE(it.ask(token));
  EXPECT_FALSE(it.ask(5));
  EXPECT_EQ(it.prober->open_questions(), (std::vector<uint64_t>{1, 2, 3, 4}));
  // Servers that say nothing for long use up nothing.
  it.now = it.now + Duration::seconds(1);
  it.round();
  EXPECT_EQ(it.prober->take_results().size(), 4u);
  for (int round = 0; round < 40; ++round) {
    for (uint64_t token = 1; token <= 4; ++token) EXPECT_TRUE(it.ask(token)) << round;
    it.now = it.now + Duration::seconds(1);
    it.round();
    EXPECT_EQ(it.prober->take_results().size(), 4u);
  }
  it.is_silent = false;
  EXPECT_EQ(it.ask_once(), "well");
}

TEST(Http3Question, NeedsCertificatesThatCanBeRead) {
  Http3Question question = question_of(certificate());
  question.ca_file = certificate().folder / "none.pem";
  const auto made = Http3Prober::make(question, Duration::seconds(1), 4);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().find("none.pem"), std::string::npos) << made.error();
}

// --- through a worker ---

// A balancer of two servers that are asked, with its worker's part of it, and the servers.
struct Checked {
  explicit Checked(Forwarding forwarding) : Checked(make(forwarding)) {}
  explicit Checked(const Configuration& given) : configuration(given), target(configuration) {
    // The balancer has to have seen the snapshot before its next hops can be asked for.
    target.balancer().send4(test::short_packet(test::id_of(1)));
  }
  static Configuration make(Forwarding forwarding) {
    Configuration configuration = configuration_of(2, forwarding);
    configuration.pools[0].health = HealthConfig{.http3 = question_of(certificate())};
    return configuration;
  }

  void run(Duration time) {
    for (Duration passed; passed < time; passed += kStep) {
      checks.tend();
      Packet* packet = pool.take();
      while (channel.write(*packet, target.balancer().router(), target.routing())) {
        deliver(packet->bytes());
        pool.give_back({&packet, 1});
        packet = pool.take();
      }
      pool.give_back({&packet, 1});
      target.balancer().pass(kStep);
    }
  }
  // To the server whose link-layer address the frame has; its answers go straight to the balancer.
  void deliver(Bytes frame) {
    WebServer& server = servers[frame[5] - 1];
    const Forwarding forwarding = configuration.pools[0].backends[0].forwarding;
    const size_t outer = forwarding == Forwarding::kIpInIp ? 20 : forwarding == Forwarding::kGue ? 32 : 0;
    const Bytes udp = frame.subspan(14 + outer + 20);
    const uint16_t port = static_cast<uint16_t>(udp[0] << 8 | udp[1]);
    const SocketAddress asked{IpAddress::v4(udp.data() - 4), 443};
    const Path path{asked, {test::ip(test::kOurs4), port}};
    for (const auto& sent : server.answer(path, udp.subspan(8), target.now())) {
      const Frame answer = FrameBuilder()
                               .eth(test::kOurMac, test::backend_mac(1))
                               .ipv4(asked.ip.to_string().c_str(), test::kOurs4)
                               .udp(443, port)
                               .payload(sent.bytes)
                               .build();
      EXPECT_TRUE(channel.take(answer, target.routing()));
    }
  }
  const HealthFigures& figures(const char* name) const { return *checks.monitor().find(name); }

  Configuration configuration;
  FakeTarget target;
  Controller controller{target, configuration};
  HealthChannel channel;
  HealthChecks checks{controller, target, {&channel}, [] {}, Random::from_seed(3)};
  WebServer servers[2] = {WebServer(certificate()), WebServer(certificate())};
  viaduct::test::FakePool pool{1};
};

class Http3Checks : public ::testing::TestWithParam<Forwarding> {};

TEST_P(Http3Checks, TakeAServerOutThatAnswersBadlyAndBringItBack) {
  Checked it(GetParam());
  it.run(Duration::seconds(10));
  EXPECT_TRUE(it.target.routing().is_usable(0) && it.target.routing().is_usable(1));
  EXPECT_GT(it.figures("web/s2").answered, 3u);
  EXPECT_EQ(it.figures("web/s2").problem, "");

  it.servers[1].status = 503;
  it.run(Duration::seconds(10));
  EXPECT_TRUE(it.target.routing().is_usable(0));
  EXPECT_FALSE(it.target.routing().is_usable(1));
  EXPECT_EQ(it.figures("web/s2").problem, "http3: status 503");

  it.servers[1].status = 204;
  it.target.balancer().send4(test::short_packet(test::id_of(1)));
  it.run(Duration::seconds(8));
  EXPECT_TRUE(it.target.routing().is_usable(1));
  EXPECT_EQ(it.figures("web/s2").problem, "");
  EXPECT_EQ(it.figures("web/s1").unanswered, 0u);
}

std::string name_of(const ::testing::TestParamInfo<Forwarding>& info) {
  constexpr const char* kNames[] = {"Direct", "IpInIp", "Gue", "Nat"};
  return kNames[static_cast<size_t>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(Forwardings, Http3Checks,
                         ::testing::Values(Forwarding::kDirect, Forwarding::kIpInIp, Forwarding::kGue,
                                           Forwarding::kNat),
                         name_of);

TEST(ChecksByHttp3, GoOnWithWhatIsUnderWayWhenOtherThingsChange) {
  Checked it(Forwarding::kDirect);
  for (int i = 0; i < 100; ++i) {
    it.run(Duration::milliseconds(100));
    ASSERT_TRUE(it.controller.set_weight("web/s1", 50 + static_cast<uint32_t>(i)).empty());
    it.target.balancer().send4(test::short_packet(test::id_of(1)));
  }
  EXPECT_EQ(it.figures("web/s1").unanswered + it.figures("web/s2").unanswered, 0u);
  EXPECT_GT(it.figures("web/s1").answered, 3u);
}

TEST(ChecksByHttp3, SayWhyNobodyCanBeAsked) {
  Configuration configuration = Checked::make(Forwarding::kDirect);
  configuration.pools[0].health->http3->ca_file = certificate().key;
  FakeTarget target(configuration);
  Controller controller(target, configuration);
  HealthChannel channel;
  HealthChecks checks(controller, target, {&channel}, [] {}, Random::from_seed(4));
  for (int i = 0; i < 30; ++i) {
    checks.tend();
    target.balancer().pass(Duration::milliseconds(100));
  }
  EXPECT_TRUE(checks.monitor().find("web/s1")->problem.starts_with("http3: "))
      << checks.monitor().find("web/s1")->problem;
}

// What nobody waits for any more is no failure.
TEST(ChecksByHttp3, EndWithoutAWordWhenTheFileSaysSo) {
  Checked it(Forwarding::kDirect);
  for (WebServer& server : it.servers) server.answers = false;
  while (!it.checks.is_talking()) it.run(kStep);
  it.configuration.pools[0].health->http3.reset();
  it.configuration.pools[0].health->timeout = Duration::seconds(2);
  ASSERT_TRUE(it.controller.replace_file(it.configuration).empty());
  for (Duration passed; passed < Duration::milliseconds(1500); passed += kStep) {
    it.checks.tend();
    it.target.balancer().pass(kStep);
  }
  EXPECT_FALSE(it.checks.is_talking());
  EXPECT_EQ(it.figures("web/s1").unanswered + it.figures("web/s2").unanswered, 0u);
}

TEST(ChecksByHttp3, ReadTheirCertificatesAnewAtAReload) {
  Configuration configuration = Checked::make(Forwarding::kDirect);
  const std::string trusted = certificate().folder / "trusted.pem", key = certificate().folder / "other-key.pem";
  std::string error;
  ASSERT_TRUE(crypto::make_self_signed("web.example", trusted, key, error)) << error;
  configuration.pools[0].health->http3->ca_file = trusted;
  Checked it(configuration);
  it.run(Duration::seconds(3));
  EXPECT_GT(it.figures("web/s1").unanswered, 0u);
  std::filesystem::copy_file(certificate().file, trusted, std::filesystem::copy_options::overwrite_existing);
  const uint64_t before = it.figures("web/s1").answered;
  ASSERT_TRUE(it.controller.replace_file(configuration).empty());
  it.target.balancer().send4(test::short_packet(test::id_of(1)));
  it.run(Duration::seconds(5));
  EXPECT_GT(it.figures("web/s1").answered, before);
  EXPECT_EQ(it.figures("web/s1").problem, "");
}

// Many silent servers that are asked often: each question keeps a port until its connection can have nothing more to
// say.
TEST(ChecksByHttp3, AskLessOftenWhileAllPortsAreInUse) {
  constexpr uint64_t kPorts = kLastConnectionPort - kFirstConnectionPort + 1;
  constexpr unsigned kServers = 240;
  Configuration configuration = configuration_of(kServers);
  configuration.pools[0].health = HealthConfig{.http3 = question_of(certificate()),
                                               .interval = Duration::milliseconds(200),
                                               .timeout = Duration::milliseconds(300),
                                               .fall = 1000};
  FakeTarget target(configuration);
  Controller controller(target, configuration);
  HealthChannel channel;
  HealthChecks checks(controller, target, {&channel}, [] {}, Random::from_seed(5));
  HealthFigures sum;
  const auto run = [&](Duration time) {
    for (Duration passed; passed < time; passed += Duration::milliseconds(20)) {
      checks.tend();
      target.balancer().pass(Duration::milliseconds(20));
    }
    sum = {};
    for (unsigned i = 1; i <= kServers; ++i) {
      const HealthFigures& figures = *checks.monitor().find("web/s" + std::to_string(i));
      sum.asked += figures.asked;
      sum.unanswered += figures.unanswered;
      sum.withdrawn += figures.withdrawn;
    }
  };
  run(Duration::milliseconds(3000));
  EXPECT_EQ(sum.asked, kPorts);
  EXPECT_GT(sum.withdrawn, 100u);
  EXPECT_LE(sum.unanswered, kPorts) << "what was not asked is no silence";
  const uint64_t before = sum.asked;
  run(Duration::milliseconds(3000));
  EXPECT_GT(sum.asked, before + kPorts / 2) << "ports come back";
}

Frame garbage_from(const char* source, uint16_t port) {
  return FrameBuilder()
      .eth(test::kOurMac, test::kRouterMac)
      .ipv4(source, test::kOurs4)
      .udp(443, port)
      .payload(test::short_packet(Frame(8, 1)))
      .build();
}

TEST(ChecksByHttp3, HearNobodyButServicesAndServers) {
  Checked it(Forwarding::kNat);
  for (size_t i = 0; i < 4 * HealthChannel::kMostDatagrams; ++i)
    EXPECT_FALSE(it.channel.take(garbage_from(test::kClient4, static_cast<uint16_t>(100 + i)), it.target.routing()));
  EXPECT_TRUE(it.channel.take(garbage_from(test::kVip4, 100), it.target.routing()));
  EXPECT_TRUE(it.channel.take(garbage_from("10.0.0.2", 101), it.target.routing()));
  EXPECT_FALSE(it.channel.take(garbage_from("10.0.0.3", 102), it.target.routing())) << "there is no third";
  std::vector<std::string> sources;
  it.channel.take_datagrams([&](const ProbeDatagram& datagram) { sources.push_back(datagram.from.ip.to_string()); });
  EXPECT_EQ(sources, (std::vector<std::string>{test::kVip4, "10.0.0.2"}));
}

// Whoever pretends to be a service can fill these ports: what they find full is lost, and no more.
TEST(ChecksByHttp3, AreNotHeldUpByAFlood) {
  Checked it(Forwarding::kDirect);
  const auto garbage = [](uint16_t port) { return garbage_from(test::kVip4, port); };
  size_t taken = 0;
  for (size_t i = 0; i < 4 * HealthChannel::kMostDatagrams; ++i)
    taken += it.channel.take(garbage(static_cast<uint16_t>(100 + i % 900)), it.target.routing()) ? 1 : 0;
  EXPECT_EQ(taken, HealthChannel::kMostDatagrams);
  EXPECT_FALSE(it.channel.take(garbage(99), it.target.routing()));
  it.run(Duration::seconds(10));
  EXPECT_GT(it.figures("web/s1").answered, 3u);
  EXPECT_EQ(it.figures("web/s1").unanswered, 0u);
}

}  // namespace
}  // namespace viaduct::lb
