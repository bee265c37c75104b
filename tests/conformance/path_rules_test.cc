// Path validation as RFC 9000 section 8.2 asks for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/conformance/watch.h"

namespace viaduct::quic::test {
namespace {

const SocketAddress kNew{kClientPath.local.ip, 40001};

class PathRules : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.handshake());
    pair.run_for(Duration::milliseconds(300));
    watch.packets.clear();
    pair.filter = [this](bool to_server, Datagram& datagram) {
      if (to_server) {
        if (has_moved) datagram.path.remote = kNew;
        return true;
      }
      if (datagram.path.local == kNew) {
        to_new.push_back(datagram.bytes.size());
        if (datagram.bytes.size() == 1200) times.push_back(pair.now);
      }
      if (is_deaf && datagram.path.local == kNew) return false;
      datagram.path.local = kClientPath.local;
      return true;
    };
  }
  std::vector<PathData> challenges() const {
    std::vector<PathData> found;
    for (const Sealed& packet : watch.packets) {
      packet.for_each_frame([&](const Frame& frame) {
        if (packet.sender == Role::kServer && frame.type == FrameType::kPathChallenge)
          found.push_back(frame.path_challenge.data);
      });
    }
    return found;
  }
  void say(size_t size) {
    pair.client.write(pair.client.opened[0], stream, std::vector<uint8_t>(size, 1), true);
    stream += 4;
  }

  TwoEndpoints pair;
  Watch watch{pair};
  bool has_moved = false, is_deaf = false;
  std::vector<size_t> to_new;
  std::vector<Instant> times;  // of those with 1200 bytes
  uint64_t stream = 0;
};

// proves RFC 9000 8.2.1-3 8.2.1-4
TEST_F(PathRules, ChallengesAreFullAndNeverTheSame) {
  has_moved = is_deaf = true;
  say(1'000);
  pair.run_for(Duration::milliseconds(2'500));
  const auto found = challenges();
  EXPECT_GE(found.size(), 3u);
  EXPECT_EQ(std::set<PathData>(found.begin(), found.end()).size(), found.size());
  ASSERT_FALSE(to_new.empty());
  EXPECT_EQ(to_new[0], 1200u);
}

// The round trip is 10 ms, and the client may wait 25 ms with an acknowledgement.
// proves RFC 9000 8.2.1-2 9.4-3
TEST_F(PathRules, ChallengesAreAProbeTimeoutApart) {
  has_moved = is_deaf = true;
  say(1'000);
  pair.run_for(Duration::milliseconds(2'500));
  ASSERT_GE(times.size(), 2u);
  for (size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], Duration::milliseconds(35));
}

// The first packet from the new address lets the server send less than a whole datagram there. Its answer shows that
// the peer is there; that whole datagrams get there, only a second challenge does.
// proves RFC 9000 8.2.1-5 8.2.3-1
TEST_F(PathRules, AChallengeThatHadToBeSmallIsFollowedByAFullOne) {
  has_moved = true;
  say(10);
  pair.run_for(Duration::milliseconds(100));
  ASSERT_GE(to_new.size(), 2u);
  EXPECT_LT(to_new[0], 1200u);
  EXPECT_GE(challenges().size(), 3u);  // the old path is asked too
  EXPECT_NE(std::ranges::find(to_new, 1200u), to_new.end());
  EXPECT_EQ(pair.server.stats().path_validations_failed, 0u);
}

// proves RFC 9000 8.2.1-6 8.2.2-2 8.2.2-3 8.2.2-5
TEST_F(PathRules, AChallengeIsAnsweredAtOnceOnItsPathAndInFull) {
  pair.client.say_next({0x1a, 1, 2, 3, 4, 5, 6, 7, 8});  // in a datagram of less than 1200 bytes
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(600, 1), true);
  auto sent = pair.client.round(pair.now);
  ASSERT_EQ(sent.size(), 1u);
  ASSERT_LT(sent[0].bytes.size(), 1200u);
  Datagram datagram = sent[0];
  std::swap(datagram.path.local, datagram.path.remote);
  datagram.path.remote = kNew;
  pair.server.ingest(datagram, pair.now);
  const auto answers = pair.server.round(pair.now);
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers[0].path.remote, kNew);
  EXPECT_EQ(answers[0].bytes.size(), 1200u);
  ASSERT_TRUE(watch.packets.back().has(FrameType::kPathResponse) || watch.packets.at(0).has(FrameType::kPathResponse));
}

// proves RFC 9000 8.2.2-6
TEST_F(PathRules, AnAnswerKeepsToTheAmplificationLimit) {
  pair.client.say_next({0x1a, 1, 2, 3, 4, 5, 6, 7, 8});
  pair.client.write(pair.client.opened[0], 0, std::vector<uint8_t>(30, 1), true);
  auto sent = pair.client.round(pair.now);
  ASSERT_EQ(sent.size(), 1u);
  Datagram datagram = sent[0];
  std::swap(datagram.path.local, datagram.path.remote);
  datagram.path.remote = kNew;
  pair.server.ingest(datagram, pair.now);
  size_t total = 0;
  for (const Datagram& answer : pair.server.round(pair.now))
    total += answer.path.remote == kNew ? answer.bytes.size() : 0;
  EXPECT_GT(total, 0u);
  EXPECT_LE(total, 3 * datagram.bytes.size());
}

}  // namespace
}  // namespace viaduct::quic::test
