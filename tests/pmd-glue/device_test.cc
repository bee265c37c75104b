// Devices of several drivers, capture, telemetry and worker threads, in one process and without privileges.
#include "pmd-glue/device.h"

#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <latch>
#include <nlohmann/json.hpp>

#include "pmd-glue/capture.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/telemetry.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/workers.h"
#include "tests/pmd-glue/cable_fixture.h"

namespace viaduct::net {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / ("viaduct-test-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

DeviceConfig small(const char* name) {
  DeviceConfig config = DeviceConfig::parse(name).value();
  config.rx_descriptors = config.tx_descriptors = config.held_packets = 64;
  return config;
}

// Frames that come within a second of polling, as far as that many come.
std::vector<Frame> receive_some(FramePort& port, size_t wanted) {
  std::vector<Frame> frames;
  for (int round = 0; round < 1000 && frames.size() < wanted; ++round) {
    Packet* burst[kBurst];
    const size_t count = port.receive(burst);
    for (Packet* packet : std::span(burst, count)) frames.emplace_back(packet->data(), packet->data() + packet->length);
    port.release({burst, count});
    if (count == 0) port.wait(Instant::from_ns(0)), usleep(1000);
  }
  return frames;
}

void send_one(FramePort& port, const Frame& frame) {
  Packet* packet = nullptr;
  ASSERT_EQ(port.allocate({&packet, 1}), 1u);
  std::copy(frame.begin(), frame.end(), packet->data());
  packet->length = static_cast<uint16_t>(frame.size());
  ASSERT_EQ(port.send({&packet, 1}), 1u);
}

const Frame kFrame = FrameBuilder().eth(kBroadcastMac, kPeerMac).ipv4(kPeer4, kOur4).udp(1, 2).payload("frame").build();

TEST(Device, SaysWhatIsWrongWithAHint) {
  auto missing = Device::open(small("af_packet:nosuch0"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().find("no interface \"nosuch0\""), std::string::npos) << missing.error();
  DeviceConfig config = small("af_packet:lo");
  config.mtu = 1000;
  EXPECT_NE(Device::open(config).error().find("not between 1280 and 9600"), std::string::npos);
  config = small("pcap:/nowhere/in.pcap");
  EXPECT_FALSE(Device::open(config).has_value());
  config.queues = 2;
  EXPECT_NE(Device::open(config).error().find("one queue only"), std::string::npos);
  config = small("af_packet:lo");
  config.partial_checksums = true;
  EXPECT_NE(Device::open(config).error().find("memif and ring"), std::string::npos);
  config = small("null");
  config.held_packets = 10'000'000;
  EXPECT_NE(Device::open(config).error().find("no memory for"), std::string::npos);
}

TEST(Device, NullReceivesWhatItMakesUp) {
  auto device = Device::open(small("null:100"));
  ASSERT_TRUE(device.has_value()) << device.error();
  EXPECT_EQ(device->name(), "null");
  EXPECT_EQ(device->mtu(), 1500u);
  EXPECT_FALSE(device->mac().is_zero());
  const auto frames = receive_some(device->queue(0), 64);
  EXPECT_GE(frames.size(), 64u);
  EXPECT_EQ(frames[0].size(), 100u);
  EXPECT_GE(device->statistics().rx_packets, frames.size());
  bool has_good_packets = false;
  for (const auto& [name, value] : device->extended_statistics()) has_good_packets |= name == "rx_good_packets";
  EXPECT_TRUE(has_good_packets);
}

TEST(Device, RingReturnsWhatItSends) {
  auto device = Device::open(small("ring"));
  ASSERT_TRUE(device.has_value()) << device.error();
  EXPECT_TRUE(device->link().up);
  send_one(device->queue(0), kFrame);
  EXPECT_EQ(receive_some(device->queue(0), 1), std::vector<Frame>{kFrame});
}

TEST(Device, PcapReadsAndWritesFiles) {
  const TemporaryFolder folder;
  // A file of the old format: its header, and one packet.
  const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
  const uint32_t size = static_cast<uint32_t>(kFrame.size());
  const uint32_t record[4] = {1, 0, size, size};
  std::ofstream file(folder / "in.pcap", std::ios::binary);
  file.write(reinterpret_cast<const char*>(header), sizeof header);
  file.write(reinterpret_cast<const char*>(record), sizeof record);
  file.write(reinterpret_cast<const char*>(kFrame.data()), static_cast<std::streamsize>(kFrame.size()));
  file.close();
  {
    auto device = Device::open(small(("pcap:" + folder / "in.pcap" + ":" + folder / "out.pcap").c_str()));
    ASSERT_TRUE(device.has_value()) << device.error();
    EXPECT_EQ(receive_some(device->queue(0), 1), std::vector<Frame>{kFrame});
    send_one(device->queue(0), kFrame);
  }
  EXPECT_EQ(fs::file_size(folder / "out.pcap"), 24 + 16 + kFrame.size());
}

TEST(Device, MemifJoinsTwoEnds) {
  const TemporaryFolder folder;
  const std::string socket = folder / "memif.sock";
  auto server = Device::open(small(("memif:server:" + socket).c_str()));
  ASSERT_TRUE(server.has_value()) << server.error();
  auto client = Device::open(small(("memif:client:" + socket).c_str()));
  ASSERT_TRUE(client.has_value()) << client.error();
  for (int i = 0; i < 2000 && !(server->link().up && client->link().up); ++i) usleep(1000);
  ASSERT_TRUE(server->link().up && client->link().up);
  send_one(client->queue(0), kFrame);
  EXPECT_EQ(receive_some(server->queue(0), 1), std::vector<Frame>{kFrame});
  Packet* none[1];
  EXPECT_EQ(client->queue(0).receive(none), 0u);  // the client offers its buffers when it looks for frames
  send_one(server->queue(0), kFrame);
  EXPECT_EQ(receive_some(client->queue(0), 1), std::vector<Frame>{kFrame});
}

TEST(Device, CarriesJumboFrames) {
  DeviceConfig config = small("ring");
  config.mtu = 9000;
  auto device = Device::open(config);
  ASSERT_TRUE(device.has_value()) << device.error();
  const Frame jumbo(9018, 0x5a);
  send_one(device->queue(0), jumbo);
  EXPECT_EQ(receive_some(device->queue(0), 1), std::vector<Frame>{jumbo});
}

class CaptureTest : public Cable {};

TEST_F(CaptureTest, WritesBothDirectionsToAFile) {
  const TemporaryFolder folder;
  const std::string file = folder / "frames.pcapng";
  const FrameBuilder echo = FrameBuilder().eth(kOurMac, kPeerMac).ipv4(kPeer4, kOur4).icmp(8, 0, 1).payload("capture");
  {
    auto capture = Capture::start({.file = file}, {&ours_->queue(0)});
    ASSERT_TRUE(capture.has_value()) << capture.error();
    EXPECT_FALSE(Capture::start({.file = folder / "second"}, {&ours_->queue(0)}).has_value());
    arrive(echo);
    poll();
  }
  arrive(echo);
  poll();  // after the capture
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  unsigned packets = 0;
  std::string directions;
  for (size_t at = 0; at < bytes.size();) {
    uint32_t type, length, captured;
    std::memcpy(&type, bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    if (type == 6) {
      std::memcpy(&captured, bytes.data() + at + 20, 4);
      if (packets++ == 0) {
        const Frame received = echo.build();
        EXPECT_EQ(bytes.substr(at + 28, captured), std::string(received.begin(), received.end()));
      }
      directions += static_cast<char>('0' + bytes[at + 28 + (captured + 3) / 4 * 4 + 4]);
    }
    at += length;
  }
  EXPECT_EQ(packets, 2u);
  EXPECT_EQ(directions, "12");
}

TEST_F(CaptureTest, DropsAndCountsWhatDoesNotFit) {
  const TemporaryFolder folder;
  auto capture = Capture::start({.file = folder / "frames", .snap_length = 20, .max_packets = 5, .ring_packets = 4},
                                {&ours_->queue(0)});
  ASSERT_TRUE(capture.has_value()) << capture.error();
  for (int i = 0; i < 50; ++i) arrive(kFrame);
  poll();
  poll();
  for (int i = 0; i < 1000 && (*capture)->written() + (*capture)->dropped() < 9; ++i) usleep(1000);
  EXPECT_GT((*capture)->dropped(), 0u);
}

// Asks DPDK's own telemetry as its script does.
nlohmann::json ask_telemetry(const std::string& command) {
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (Eal::runtime_folder() + "/dpdk_telemetry.v2").copy(address.sun_path, sizeof address.sun_path - 1);
  std::string answer(16384, 0);
  nlohmann::json json;
  if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      read(socket, answer.data(), answer.size()) > 0 &&
      write(socket, command.data(), command.size()) == static_cast<ssize_t>(command.size())) {
    answer.resize(static_cast<size_t>(std::max<ssize_t>(0, read(socket, answer.data(), answer.size()))));
    json = nlohmann::json::parse(answer, nullptr, false);
  }
  close(socket);
  return json;
}

TEST(Telemetry, AnswersOurCommands) {
  VerdictCounters counters;
  counters.count(kArpIgnored, 3);
  const std::string problem =
      register_telemetry("/viaduct/test", "a test", [&](std::string_view parameter, auto& answer) {
        answer.add("number", 42);
        answer.add("parameter", std::string(parameter));
        answer.add(counters, kVerdicts);
      });
  ASSERT_EQ(problem, "");
  const auto json = ask_telemetry("/viaduct/test,seven");
  EXPECT_EQ(json["/viaduct/test"]["number"], 42);
  EXPECT_EQ(json["/viaduct/test"]["parameter"], "seven");
  EXPECT_EQ(json["/viaduct/test"]["arp_ignored"], 3);
  silence_telemetry("/viaduct/test");
  EXPECT_TRUE(ask_telemetry("/viaduct/test")["/viaduct/test"].is_null());
  EXPECT_NE(register_telemetry("/elsewhere", "", {}), "");
}

TEST(Workers, RunAsManyAsAskedKnownToDpdkAndShowTheirBusyShare) {
  auto device = Device::open(small("null:64"));
  ASSERT_TRUE(device.has_value()) << device.error();
  const Placement placement = plan_placement({.workers = 5});
  std::atomic<unsigned> seen{0};
  std::latch done(1);
  std::atomic<unsigned> lcore{0};
  Workers workers;
  const std::string problem = workers.start(placement, "worker", [&](unsigned worker) {
    if (rte_lcore_id() != LCORE_ID_ANY) seen |= 1u << worker;
    if (worker == 0) {
      receive_some(device->queue(0), 1000);
      device->queue(0).wait(Instant::from_ns(0));
      lcore = rte_lcore_id();
    }
    done.wait();
  });
  ASSERT_EQ(problem, "");
  while (lcore == 0 || seen != 31) usleep(1000);
  const auto usage = ask_telemetry("/eal/lcore/usage")["/eal/lcore/usage"];
  done.count_down();
  workers.join();
  bool found = false;
  for (size_t i = 0; i < usage["lcore_ids"].size(); ++i) {
    if (usage["lcore_ids"][i] != lcore.load()) continue;
    found = true;
    EXPECT_GT(usage["busy_cycles"][i], 0u);
    EXPECT_GE(usage["total_cycles"][i], usage["busy_cycles"][i]);
  }
  EXPECT_TRUE(found) << usage;
}

TEST(Eal, StartsOnlyOnce) {
  const auto second = Eal::start({});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find("only once"), std::string::npos) << second.error();
}

}  // namespace
}  // namespace viaduct::net
