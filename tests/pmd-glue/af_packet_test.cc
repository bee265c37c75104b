// A UDP port over af_packet and a virtual cable, with the kernel's own UDP at the far end. Needs root.
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "pmd-glue/device.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/udp_port.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/workers.h"
#include "tests/pmd-glue/virtual_cable.h"

namespace viaduct::net {
namespace {

using test::FarHost;
using test::UdpSocket;

const char* const kOur4 = "198.18.0.1";
const char* const kOur6 = "2001:db8::1";

// Sends every datagram back to where it came from, until it is stopped.
class EchoServer {
 public:
  EchoServer(Device& device, IpInterface& interface) {
    for (unsigned queue = 0; queue < device.queues(); ++queue) {
      ports_.push_back(std::make_unique<UdpPort>(device.queue(queue), interface));
    }
    EXPECT_EQ(
        workers_.start(plan_placement({.workers = device.queues()}), "echo", [this](unsigned w) { serve(*ports_[w]); }),
        "");
  }
  ~EchoServer() { stop(); }
  void stop() {
    stop_ = true;
    for (auto& port : ports_) port->wake();
    workers_.join();
  }
  UdpPort& port(unsigned queue) { return *ports_[queue]; }

 private:
  void serve(UdpPort& port) {
    std::vector<Packet*> unsent;
    while (!stop_) {
      if (unsent.empty()) {
        unsent.resize(kBurst);
        unsent.resize(port.receive(unsent));
      }
      if (unsent.empty()) port.wait(Instant::never());
      unsent.erase(unsent.begin(), unsent.begin() + static_cast<ptrdiff_t>(port.send(unsent)));
    }
    port.release(unsent);
  }

  std::vector<std::unique_ptr<UdpPort>> ports_;
  std::atomic<bool> stop_{false};
  Workers workers_;
};

class AfPacket : public testing::Test {
 protected:
  void open(unsigned queues, unsigned mtu = 1500) {
    far_.emplace("near", "far", "198.18.0.2/24", "2001:db8::2/64", mtu);
    serve("af_packet:near", queues);
  }
  void serve(const char* name, unsigned queues) {
    DeviceConfig config = DeviceConfig::parse(name).value();
    config.queues = queues;
    auto device = Device::open(config);
    ASSERT_TRUE(device.has_value()) << device.error();
    device_.emplace(std::move(*device));
    IpInterfaceConfig interface;
    interface.addresses = {*LocalAddress::parse("198.18.0.1/24"), *LocalAddress::parse("2001:db8::1/64")};
    interface.udp_ports = {{4433, 4433}};
    auto made = IpInterface::make(interface, *device_);
    ASSERT_TRUE(made.has_value()) << made.error();
    interface_ = std::move(*made);
    server_ = std::make_unique<EchoServer>(*device_, *interface_);
  }
  void TearDown() override {
    server_.reset();
    interface_.reset();
    device_.reset();
    far_.reset();
  }
  void expect_echo(UdpSocket& socket, const std::string& payload) {
    ASSERT_TRUE(socket.send(payload));
    EXPECT_EQ(socket.receive(), payload);
  }
  uint64_t sum(std::atomic<uint64_t> UdpPortCounters::* counter) {
    uint64_t total = 0;
    for (unsigned queue = 0; queue < device_->queues(); ++queue) total += server_->port(queue).counters().*counter;
    return total;
  }

  std::optional<FarHost> far_;
  std::optional<Device> device_;
  std::unique_ptr<IpInterface> interface_;
  std::unique_ptr<EchoServer> server_;
};

TEST_F(AfPacket, EchoesOverBothFamiliesWithPartialChecksums) {
  open(1);
  far_->run([&] {
    for (const char* address : {kOur4, kOur6}) {
      UdpSocket socket(address, 4433);
      for (const size_t size : {0, 1, 2, 1199, 1200, 1452}) expect_echo(socket, std::string(size, 'e'));
    }
  });
  EXPECT_EQ(sum(&UdpPortCounters::delivered), 12u);
  EXPECT_EQ(sum(&UdpPortCounters::partial_checksums), 12u) << "the cable's kernel leaves checksums to the device";
  EXPECT_TRUE(device_->link().up);
  const FramePort& frames = device_->queue(0);
  server_->stop();
  EXPECT_EQ(frames.counters().received, sum(&UdpPortCounters::delivered) + frames.verdicts().sum());
  EXPECT_EQ(device_->statistics().rx_packets, frames.counters().received);
}

TEST_F(AfPacket, ChecksRealChecksumsToo) {
  open(1);
  far_->command("ethtool -K far tx off >/dev/null");
  far_->run([&] {
    UdpSocket socket4(kOur4, 4433), socket6(kOur6, 4433);
    expect_echo(socket4, "whole");
    expect_echo(socket6, "whole");
  });
  EXPECT_EQ(sum(&UdpPortCounters::partial_checksums), 0u);
}

TEST_F(AfPacket, AnswersPing) {
  open(1);
  far_->command("ping -c 2 -i 0.01 -W 1 198.18.0.1 >/dev/null");
  far_->command("ping -c 2 -i 0.01 -W 1 2001:db8::1 >/dev/null");
  EXPECT_EQ(device_->queue(0).verdicts()[kIcmpEchoAnswered], 4u);
}

// Segmentation offload at the far end: one frame of many datagrams, of which the ring keeps the start.
TEST_F(AfPacket, NamesSegmentationOffloadWhereItCutsFrames) {
  open(1);
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    expect_echo(socket, "first");
    const int segment = 1200;
    ASSERT_EQ(setsockopt(socket.descriptor(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    ASSERT_TRUE(socket.send(std::string(12000, 's')));
    usleep(50000);
  });
  EXPECT_EQ(device_->queue(0).verdicts()[kFrameShorterThanIp], 1u);
  far_->command("ethtool -K far tx-udp-segmentation off");
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    const int segment = 1200;
    ASSERT_EQ(setsockopt(socket.descriptor(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    ASSERT_TRUE(socket.send(std::string(12000, 's')));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(socket.receive().size(), 1200u);
  });
}

TEST_F(AfPacket, CarriesJumboDatagrams) {
  open(1, 9000);
  EXPECT_EQ(device_->mtu(), 9000u);
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    expect_echo(socket, std::string(8972, 'j'));
  });
}

// The kernel's fanout spreads flows over the queues, and neighbours' answers over them too.
TEST_F(AfPacket, ServesWithTwoQueues) {
  open(2);
  far_->run([&] {
    for (int flow = 0; flow < 64; ++flow) {
      UdpSocket socket(flow % 2 ? kOur4 : kOur6, 4433);
      expect_echo(socket, "flow " + std::to_string(flow));
    }
  });
  EXPECT_EQ(sum(&UdpPortCounters::delivered), 64u);
  EXPECT_GT(server_->port(0).counters().delivered, 0u);
  EXPECT_GT(server_->port(1).counters().delivered, 0u);
}

TEST_F(AfPacket, EchoesBurstsWithoutLoss) {
  open(1);
  constexpr int kRounds = 200, kPerRound = 50;
  int received = 0;
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    expect_echo(socket, "now our neighbour is known");
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kPerRound; ++i) ASSERT_TRUE(socket.send(std::string(1200, 'b')));
      for (int i = 0; i < kPerRound; ++i) received += socket.receive().size() == 1200;
    }
  });
  const FramePortCounters& counters = device_->queue(0).counters();
  EXPECT_EQ(received, kRounds * kPerRound)
      << "delivered " << sum(&UdpPortCounters::delivered) << ", sent " << counters.sent << ", refused "
      << counters.send_refused << ", not sent by the driver " << device_->statistics().tx_errors;
}

TEST_F(AfPacket, EchoesOverAfXdp) {
  far_.emplace("near", "far", "198.18.0.2/24", "2001:db8::2/64");
  serve("af_xdp:near", 1);
  ASSERT_TRUE(device_);
  far_->run([&] {
    UdpSocket socket4(kOur4, 4433), socket6(kOur6, 4433);
    expect_echo(socket4, "over an XDP socket");
    expect_echo(socket6, std::string(1200, 'x'));
  });
}

// The kernel's end of a tap device is in this very namespace.
TEST_F(AfPacket, EchoesOverATap) {
  serve("tap:viaduct0", 1);
  ASSERT_TRUE(device_);
  ASSERT_EQ(std::system("ip addr add 198.18.0.2/24 dev viaduct0 && ip link set viaduct0 up"), 0);
  UdpSocket socket(kOur4, 4433);
  expect_echo(socket, "over a tap");
  expect_echo(socket, std::string(1200, 't'));
}

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// A share of processor time and not a wall time: other load on the machine does not change it.
TEST_F(AfPacket, SleepsWhenIdleAndWakesForAFrame) {
  open(2);
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    expect_echo(socket, "before");
    const double before = cpu_seconds();
    usleep(2'000'000);
    EXPECT_LT(cpu_seconds() - before, 0.03 * 2) << "idle workers are to sleep";
    expect_echo(socket, "after");
  });
}

TEST_F(AfPacket, GoesOnWhenTheCableWasDown) {
  open(1);
  far_->run([&] {
    UdpSocket socket(kOur4, 4433);
    expect_echo(socket, "before");
  });
  far_->command("ip link set far down");
  const double before = cpu_seconds();
  usleep(300'000);
  EXPECT_LT(cpu_seconds() - before, 0.1) << "a cable that is down is no reason to spin";
  far_->command("ip link set far up");
  far_->run([&] {
    std::string answer;
    for (int i = 0; i < 5 && answer.empty(); ++i) {
      UdpSocket socket(kOur4, 4433);
      if (socket.send("after")) answer = socket.receive();
    }
    EXPECT_EQ(answer, "after");
  });
}

}  // namespace
}  // namespace viaduct::net

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  viaduct::test::enter_private_network();
  viaduct::net::EalConfig config;
  config.program = "test";
  config.file_prefix = "viaduct-test-" + std::to_string(getpid());
  config.hugepages = viaduct::net::Hugepages::kOff;
  auto eal = viaduct::net::Eal::start(config);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
