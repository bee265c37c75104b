// Limits of new flows, and Retry on behalf of the servers.
#include <gtest/gtest.h>

#include "apps/lb/new_flow_limiter.h"
#include "apps/lb/verdicts.h"
#include "crypto-offload/key_schedule.h"
#include "crypto-offload/retry_offload.h"
#include "engine/wire/packet_header.h"
#include "pmd-glue/wire.h"
#include "tests/lb/fixture.h"
#include "tests/lb/in_a_loop.h"
#include "tests/lb/several_workers.h"

namespace viaduct::lb {
namespace {

using test::Balancer;
using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::long_packet;
using test::short_packet;

const Frame kScid = {9, 9, 9, 9};
Frame client_id(uint8_t last) { return {0xe7, 1, 2, 3, 4, 5, 6, last}; }

// An Initial packet that fills 1,200 bytes, with a token.
Frame initial(const Frame& dcid, const Frame& token = {}, uint32_t version = quic::kVersion1) {
  Frame packet(1200);
  ByteWriter writer(packet);
  const auto layout =
      quic::write_long_header(writer, {.version = version, .dcid = dcid, .scid = kScid, .token = token}, 0, 4);
  quic::set_packet_length(packet.data(), layout, packet.size());
  return packet;
}

Configuration limited(uint64_t per_second, uint64_t per_prefix) {
  Configuration configuration = configuration_of(3);
  configuration.limits = {.per_second = per_second, .prefix_per_second = per_prefix};
  return configuration;
}

Configuration with_retry(Configuration configuration, bool always) {
  RetryConfig retry{.always = always, .key_sequence = 5};
  retry.key.fill(0x11);
  retry.iv.fill(0x22);
  configuration.retry = retry;
  return configuration;
}

TEST(NewFlowLimit, CountsOneSourcePrefix) {
  Balancer balancer(limited(0, 2));
  const auto verdict = [&](uint16_t port, const char* client) {
    return balancer.send4(long_packet(client_id(static_cast<uint8_t>(port)), kScid), port, client).verdict;
  };
  EXPECT_EQ(verdict(1, "198.51.100.1"), kRoutedAsNew);
  EXPECT_EQ(verdict(2, "198.51.100.2"), kRoutedAsNew);
  EXPECT_EQ(verdict(3, "198.51.100.3"), kNewFlowLimited) << "the third of its /24 in this second";
  EXPECT_EQ(verdict(4, "198.51.101.1"), kRoutedAsNew) << "another prefix";
  balancer.pass(Duration::seconds(1));
  EXPECT_EQ(verdict(5, "198.51.100.3"), kRoutedAsNew);
}

TEST(NewFlowLimit, CountsIpv6ByItsOwnPrefix) {
  Balancer balancer(limited(0, 1));
  EXPECT_EQ(balancer.send6(long_packet(client_id(1), kScid), 1, "2001:db8:c:1::1").verdict, kRoutedAsNew);
  EXPECT_EQ(balancer.send6(long_packet(client_id(2), kScid), 2, "2001:db8:c:2::1").verdict, kNewFlowLimited)
      << "one /56";
  EXPECT_EQ(balancer.send6(long_packet(client_id(3), kScid), 3, "2001:db8:c:102::1").verdict, kRoutedAsNew);
}

TEST(NewFlowLimit, CountsAll) {
  Balancer balancer(limited(2, 0));
  EXPECT_EQ(balancer.send4(long_packet(client_id(1), kScid), 1, "198.51.100.1").verdict, kRoutedAsNew);
  EXPECT_EQ(balancer.send4(long_packet(client_id(2), kScid), 2, "198.51.101.1").verdict, kRoutedAsNew);
  EXPECT_EQ(balancer.send4(long_packet(client_id(3), kScid), 3, "198.51.102.1").verdict, kNewFlowLimited);
}

TEST(NewFlowLimit, IsNoneForWhatIsKnownOrRoutable) {
  Balancer balancer(limited(1, 0));
  EXPECT_EQ(balancer.send4(long_packet(client_id(1), kScid), 1).verdict, kRoutedAsNew);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(balancer.send4(long_packet(client_id(1), kScid), 1).verdict, kRoutedByScid);
    EXPECT_EQ(balancer.send4(short_packet(id_of(2)), static_cast<uint16_t>(100 + i)).verdict, kRoutedById);
  }
}

// What one prefix is refused does not use up what all may have.
TEST(NewFlowLimit, OfAPrefixComesFirst) {
  NewFlowLimiter limiter({});
  const NewFlowLimits limits{.per_second = 3, .prefix_per_second = 1};
  const uint8_t flooding[] = {198, 51, 100, 1}, others[] = {198, 51, 101, 1}, more[] = {198, 51, 102, 1};
  const Instant now = Instant::from_ns(5);
  EXPECT_TRUE(limiter.admit(limits, flooding, now));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.admit(limits, flooding, now));
  EXPECT_TRUE(limiter.admit(limits, others, now));
  EXPECT_TRUE(limiter.admit(limits, more, now));
}

constexpr uint64_t kSeconds = 1'700'000'000;

// The QUIC packet in a frame to an IPv4 client.
Bytes quic_of(const Frame& frame) { return Bytes(frame).subspan(42); }

class Retry : public ::testing::TestWithParam<uint32_t> {
 protected:
  Retry() { balancer_.router().set_posix_seconds(kSeconds); }

  // The token and the new ID of the Retry that answers a first Initial.
  void get_token() {
    const auto outcome = balancer_.send4(initial(client_id(1), {}, GetParam()), 5000);
    ASSERT_EQ(outcome.verdict, kRetrySent);
    const Bytes retry = quic_of(outcome.sent);
    EXPECT_TRUE(crypto::verify_retry(GetParam(), client_id(1), retry));
    const auto header = quic::parse_packet_header(retry, 0);
    ASSERT_TRUE(header && header->type == quic::PacketType::kRetry);
    EXPECT_TRUE(equal(header->dcid, kScid));
    token_.assign(header->token.begin(), header->token.end());
    id_.assign(header->scid.begin(), header->scid.end());
    // From the service to the client, with right lengths and checksums.
    EXPECT_EQ(outcome.sent, FrameBuilder()
                                .eth(test::kRouterMac, test::kOurMac)
                                .ipv4(test::kVip4, test::kClient4)
                                .dont_fragment()
                                .udp(443, 5000)
                                .payload(Frame(retry.begin(), retry.end()))
                                .build());
  }

  Balancer balancer_{with_retry(configuration_of(3), true)};
  Frame token_, id_;
};

TEST_P(Retry, LetsAClientInThatBringsItsTokenBack) {
  get_token();
  const auto outcome = balancer_.send4(initial(id_, token_, GetParam()), 5000);
  EXPECT_EQ(outcome.verdict, kRoutedAsNew);
  // Servers that share the key read what the client asked for first.
  crypto::RetryOffloadKey key{.sequence = 5};
  key.key.fill(0x11);
  key.iv.fill(0x22);
  const auto opened = crypto::RetryOffload({key}).open(token_, {test::ip(test::kClient4), 5000}, id_, kSeconds);
  EXPECT_EQ(opened.state, crypto::RetryOffloadState::kGood);
  EXPECT_TRUE(equal(opened.original(), client_id(1)));
}

// A reload with another key: whoever is under way with a token of the former one gets in.
TEST_P(Retry, TakesTokensOfAFormerKey) {
  get_token();
  const Frame former_token = token_, former_id = id_;
  Configuration other = with_retry(configuration_of(3), true);
  other.retry->key.fill(0x33);
  balancer_.load(other);
  get_token();
  EXPECT_NE(token_, former_token);
  EXPECT_EQ(balancer_.send4(initial(former_id, former_token, GetParam()), 5000).verdict, kRoutedAsNew);
  // Those of today are of the new key alone.
  Balancer elsewhere(other);
  elsewhere.router().set_posix_seconds(kSeconds);
  EXPECT_EQ(elsewhere.send4(initial(former_id, former_token, GetParam()), 5000).verdict, kTokenRefused);
  EXPECT_EQ(elsewhere.send4(initial(id_, token_, GetParam()), 5000).verdict, kRoutedAsNew);
}

// The life of its tokens, and no longer: here one that the former key's owner made to be good for long.
TEST_P(Retry, ForgetsAFormerKey) {
  const SocketAddress client{test::ip(test::kClient4), 5000};
  crypto::RetryOffload former({balancer_.snapshot().configuration().retry->keys()});
  Random random = Random::from_seed(9);
  Frame token(crypto::RetryOffload::kMaxToken);
  token.resize(former.seal(client, client_id(1), client_id(2), kSeconds + 3600, random, token));
  Configuration other = with_retry(configuration_of(3), true);
  other.retry->key.fill(0x33);
  balancer_.load(other);
  get_token();
  balancer_.router().set_posix_seconds(kSeconds + 13);
  EXPECT_EQ(balancer_.send4(initial(client_id(2), token, GetParam()), 5000).verdict, kTokenRefused);
}

// Balancers of one pool that change their keys one after the other.
TEST_P(Retry, TakesTokensOfTheKeysThatItAccepts) {
  get_token();
  Configuration next = with_retry(configuration_of(3), true);
  next.retry->key.fill(0x33);
  Balancer strict(next);
  next.retry->accepted = {{.sequence = 5,
                           .key = balancer_.snapshot().configuration().retry->key,
                           .iv = balancer_.snapshot().configuration().retry->iv}};
  Balancer accepting(next);
  for (Balancer* balancer : {&strict, &accepting}) balancer->router().set_posix_seconds(kSeconds);
  EXPECT_EQ(strict.send4(initial(id_, token_, GetParam()), 5000).verdict, kTokenRefused);
  EXPECT_EQ(accepting.send4(initial(id_, token_, GetParam()), 5000).verdict, kRoutedAsNew);
}

TEST_P(Retry, RefusesATokenThatIsNotThisClients) {
  get_token();
  EXPECT_EQ(balancer_.send4(initial(id_, token_, GetParam()), 5001).verdict, kTokenRefused) << "another port";
  EXPECT_EQ(balancer_.send4(initial(id_, token_, GetParam()), 5000, "198.51.100.8").verdict, kTokenRefused);
  EXPECT_EQ(balancer_.send4(initial(client_id(1), token_, GetParam()), 5000).verdict, kTokenRefused) << "another ID";
  Frame forged = token_;
  forged.back() ^= 1;
  EXPECT_EQ(balancer_.send4(initial(id_, forged, GetParam()), 5000).verdict, kTokenRefused);
  balancer_.router().set_posix_seconds(kSeconds + 13);
  EXPECT_EQ(balancer_.send4(initial(id_, token_, GetParam()), 5000).verdict, kTokenRefused) << "expired";
}

TEST_P(Retry, AnswersATokenOfAnotherKind) {
  EXPECT_EQ(balancer_.send4(initial(client_id(1), {0x85, 1, 2, 3}, GetParam()), 5000).verdict, kRetrySent);
}

INSTANTIATE_TEST_SUITE_P(Versions, Retry, ::testing::Values(quic::kVersion1, quic::kVersion2));

TEST(RetryOffloading, LeavesAloneWhatItCannotAnswer) {
  Balancer balancer(with_retry(configuration_of(3), true));
  EXPECT_EQ(balancer.send4(initial(client_id(1), {}, 0x1a2a3a4a), 1).verdict, kRoutedAsNew) << "an unknown version";
  Frame small = initial(client_id(2));
  small.resize(1199);
  EXPECT_EQ(balancer.send4(small, 2).verdict, kRoutedAsNew) << "too small to be answered";
  EXPECT_EQ(balancer.send4(short_packet({0xe1, 2}), 3).verdict, kRoutedAsNew);
}

TEST(RetryOffloading, BeginsAboveTheLimits) {
  Balancer balancer(with_retry(limited(1, 0), false));
  EXPECT_EQ(balancer.send4(initial(client_id(1)), 1).verdict, kRoutedAsNew);
  EXPECT_EQ(balancer.send4(initial(client_id(2)), 2).verdict, kRetrySent);
  EXPECT_EQ(balancer.send4(short_packet({0xe1, 2}), 3).verdict, kNewFlowLimited) << "cannot show its address";
}

class RetryInALoop : public test::InALoop<test::SilentLink> {
 protected:
  RetryInALoop() : test::InALoop<test::SilentLink>(test::facts_of(0)) {
    configuration_ = with_retry(configuration_, true);
    snapshot_.publish(*RoutingSnapshot::make(configuration_, test::link_facts(), slots_));
    handler_.set_wall_clock(wall_);
  }
  // A first packet with a token that was made now, of a client at `port`.
  Frame with_token(uint16_t port) {
    crypto::RetryOffloadKey key{.sequence = 5};
    key.key.fill(0x11);
    key.iv.fill(0x22);
    const Frame retry_id = client_id(static_cast<uint8_t>(port));
    Frame token(crypto::RetryOffload::kMaxToken);
    const auto expiry = static_cast<uint64_t>(wall_.unix_seconds(now_)) + 10;
    token.resize(crypto::RetryOffload({key}).seal({test::ip(test::kClient4), port}, client_id(1), retry_id, expiry,
                                                  random_, token));
    return FrameBuilder()
        .eth(test::kOurMac, test::kRouterMac)
        .ipv4(test::kClient4, test::kVip4)
        .udp(port, 443)
        .payload(initial(retry_id, token))
        .build();
  }
  uint64_t verdict_of(const Frame& frame, Verdict verdict) {
    arrive(frame);
    loop_.run_once();
    return handler_.router().verdicts()[verdict];
  }

  settings::WallClock wall_;
  Random random_ = Random::from_seed(7);
};

// The first frame that comes after a long sleep is looked at by the time that it comes at.
TEST_F(RetryInALoop, GoesByTheTimeOfDay) {
  const Frame early = with_token(5000);
  EXPECT_EQ(verdict_of(early, kRoutedAsNew), 1u);
  const Frame late = with_token(5001);
  now_ = now_ + Duration::seconds(13);
  EXPECT_EQ(verdict_of(late, kTokenRefused), 1u);
  EXPECT_EQ(verdict_of(with_token(5002), kRoutedAsNew), 2u);
}

}  // namespace
}  // namespace viaduct::lb
