// A worker's end of the control plane, in a worker loop.
#include "apps/lb/worker_control.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/lb/verdicts.h"
#include "tests/lb/in_a_loop.h"

namespace viaduct::lb {
namespace {

using test::configuration_of;
using test::Frame;
using test::FrameBuilder;
using test::id_of;
using test::short_packet;

struct SilentLink {
  bool take(Packet&, Instant) { return false; }
  void step(Router&, Instant) {}
  size_t build(std::span<Packet*>, Instant) { return 0; }
  Instant deadline() const { return Instant::never(); }
};

FrameFacts facts() {
  FrameFacts result;
  result.mac = test::kOurMac;
  return result;
}

class WorkerControls : public test::InALoop<SilentLink> {
 protected:
  WorkerControls() : test::InALoop<SilentLink>(facts()) {}
  void pass(const Frame& frame) {
    arrive(frame);
    loop_.run_once();
  }
  WorkerControl& control() { return handler_.control(); }
};

TEST_F(WorkerControls, ExplainsBetweenBurstsAndCountsNothing) {
  std::optional<Decision> decision;
  std::atomic<bool> is_asked{false};
  std::thread asker([&] { decision = control().desk.ask(routable(2), [&] { is_asked = true; }); });
  while (!is_asked) std::this_thread::yield();
  loop_.run_once();
  asker.join();
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->backend, "web/s2");
  EXPECT_EQ(handler_.router().verdicts().sum(), 0u);
  EXPECT_TRUE(port_.sent.empty());
}

TEST_F(WorkerControls, RefusesToExplainWhatNoPortReceives) {
  EXPECT_FALSE(control().desk.ask(Frame(ExplainDesk::kMostBytes + 1), [] {}));
}

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

size_t count(const std::string& text, const std::string& word) {
  size_t times = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++times;
  return times;
}

TEST_F(WorkerControls, CapturesFramesAsReceivedWithTheirDecision) {
  const std::string file = "/tmp/viaduct-capture-" + std::to_string(getpid()) + ".pcapng";
  DecisionCapture capture({&control().tap});
  pass(routable(1));
  ASSERT_EQ(capture.start(file, Duration::seconds(1), now_), "");
  EXPECT_FALSE(capture.start(file, Duration::seconds(1), now_).empty()) << "one at a time";
  pass(routable(2));
  pass(FrameBuilder().eth(test::kOurMac, test::kRouterMac).ipv4(test::kClient4, test::kVip4).udp(1, 444).build());
  pass(FrameBuilder()
           .eth(net::kBroadcastMac, test::kRouterMac)
           .arp(1, test::kRouterMac, "10.0.0.9", {}, "10.0.0.8")
           .build());
  capture.tend(*snapshot_.read(), now_);
  EXPECT_TRUE(capture.is_running());
  capture.tend(*snapshot_.read(), now_ + Duration::seconds(1));
  EXPECT_FALSE(capture.is_running());
  pass(routable(1));
  EXPECT_EQ(capture.figures().written, 3u);
  EXPECT_EQ(capture.figures().dropped, 0u);
  const std::string text = contents(file);
  EXPECT_EQ(count(text, "lb-routed-by-id -> web/s2 (direct)"), 1u);
  EXPECT_EQ(count(text, "lb-port-closed"), 1u);
  EXPECT_EQ(count(text, "for the link side"), 1u);
  const Frame received = routable(2);
  EXPECT_EQ(count(text, std::string(received.begin(), received.end())), 1u);
  std::filesystem::remove(file);
}

TEST_F(WorkerControls, CountsWhatACaptureHasNoRoomFor) {
  DecisionCapture capture({&control().tap});
  ASSERT_EQ(capture.start("/dev/null", Duration::seconds(1), now_), "");
  constexpr size_t kMore = 40;
  for (size_t i = 0; i < DecisionTap::kFrames + kMore; ++i) pass(routable(1));
  capture.tend(*snapshot_.read(), now_);
  EXPECT_EQ(capture.figures().written, DecisionTap::kFrames);
  EXPECT_EQ(capture.figures().dropped, kMore);
  EXPECT_FALSE(DecisionCapture(std::vector<DecisionTap*>{}).start("/nowhere/x", Duration::seconds(1), now_).empty());
}

TEST_F(WorkerControls, AsksServersAndTakesTheirAnswers) {
  const auto probe = probe_for(*snapshot_.read(), 0, 0x0102030405060708);
  EXPECT_TRUE(handler_.deadline().is_never());
  ASSERT_TRUE(probe && control().health.ask(*probe));
  EXPECT_EQ(handler_.deadline(), Instant()) << "a worker on its way to sleep finds the question";
  loop_.run_once();
  EXPECT_TRUE(handler_.deadline().is_never());
  ASSERT_EQ(port_.sent.size(), 1u);
  Packet* packet = pool_.take();
  write_probe(*packet, *probe, *snapshot_.read(), test::backend_mac(1));
  const Frame question(packet->bytes().begin(), packet->bytes().end());
  pool_.give_back({&packet, 1});
  const Frame dcid(question.end() - kProbeBytes + 6, question.end() - kProbeBytes + 14);
  const Frame scid(question.end() - kProbeBytes + 15, question.end() - kProbeBytes + 23);
  Frame answer = {0x80, 0, 0, 0, 0, 8};
  answer.insert(answer.end(), scid.begin(), scid.end());
  answer.push_back(8);
  answer.insert(answer.end(), dcid.begin(), dcid.end());
  answer.insert(answer.end(), {0, 0, 0, 1});
  const auto send_back = [&](const char* to, uint16_t port) {
    pass(FrameBuilder()
             .eth(test::kOurMac, test::backend_mac(1))
             .ipv4(test::kVip4, to)
             .udp(443, port)
             .payload(answer)
             .build());
  };
  send_back(test::kOurs4, kProbePort + 1);
  send_back("10.0.0.253", kProbePort);
  EXPECT_EQ(handler_.router().verdicts()[kHealthAnswered], 0u);
  send_back(test::kOurs4, kProbePort);
  EXPECT_EQ(handler_.router().verdicts()[kHealthAnswered], 1u);
  std::vector<uint64_t> tokens;
  control().health.take_answers([&](uint64_t token) { tokens.push_back(token); });
  EXPECT_EQ(tokens, std::vector<uint64_t>{0x0102030405060708});
}

}  // namespace
}  // namespace viaduct::lb
