// The parts of the port floor that need no DPDK: checksums, addresses, device names, tables, files.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "base/random.h"
#include "pmd-glue/checksum.h"
#include "pmd-glue/device_config.h"
#include "pmd-glue/icmp.h"
#include "pmd-glue/ip_header.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/mac_address.h"
#include "pmd-glue/neighbour_table.h"
#include "pmd-glue/path_mtu.h"
#include "pmd-glue/pcapng.h"
#include "pmd-glue/placement.h"
#include "tests/support/frame_builder.h"
#include "tests/support/verdict_marks.h"

namespace viaduct::net {
namespace {

uint16_t stored(uint16_t checksum) {
  const uint8_t raw[2] = {static_cast<uint8_t>(checksum >> 8), static_cast<uint8_t>(checksum)};
  uint16_t value;
  std::memcpy(&value, raw, 2);
  return value;
}

RC_GTEST_PROP(Checksum, IsThatOfRfc1071, (const std::vector<uint8_t>& bytes)) {
  RC_ASSERT(checksum_finish(checksum_add(0, bytes)) == stored(test::plain_checksum(bytes)));
}

TEST(Checksum, HoldsForEverySizeAndAlignment) {
  std::vector<uint8_t> bytes(2100, 0xff);
  for (size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<uint8_t>(i * 7);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t size = 0; size < 2050; size += size < 80 ? 1 : 61) {
      const std::vector<uint8_t> part(bytes.begin() + static_cast<ptrdiff_t>(start),
                                      bytes.begin() + static_cast<ptrdiff_t>(start + size));
      ASSERT_EQ(checksum_finish(checksum_add(0, {bytes.data() + start, size})), stored(test::plain_checksum(part)));
    }
  }
}

// The example of RFC 1071 section 3.
TEST(Checksum, SumsTheExampleOfItsRfc) {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum_fold(checksum_add(0, bytes)), stored(0xddf2));
}

TEST(MacAddress, ReadsAndPrints) {
  const auto mac = MacAddress::parse("02:00:5e:00:53:Af");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->to_string(), "02:00:5e:00:53:af");
  for (const char* wrong : {"", "02:00:5e:00:53", "02:00:5e:00:53:0", "02-00-5e-00-53-01", "02:00:5e:00:53:0g",
                            "02:00:5e:00:53:01:", "0x:00:5e:00:53:01"}) {
    EXPECT_FALSE(MacAddress::parse(wrong)) << wrong;
  }
}

TEST(LocalAddress, CoversItsPrefix) {
  const auto v4 = LocalAddress::parse("198.18.3.1/23");
  ASSERT_TRUE(v4);
  EXPECT_TRUE(v4->covers(*IpAddress::parse("198.18.2.255")));
  EXPECT_FALSE(v4->covers(*IpAddress::parse("198.18.4.0")));
  EXPECT_FALSE(v4->covers(*IpAddress::parse("2001:db8::1")));
  const auto v6 = LocalAddress::parse("2001:db8::1/61");
  ASSERT_TRUE(v6);
  EXPECT_TRUE(v6->covers(*IpAddress::parse("2001:db8:0:7::9")));
  EXPECT_FALSE(v6->covers(*IpAddress::parse("2001:db8:0:8::9")));
  EXPECT_TRUE(LocalAddress::parse("192.0.2.1/0")->covers(*IpAddress::parse("8.8.8.8")));
  for (const char* wrong : {"198.18.0.1", "198.18.0.1/33", "2001:db8::1/129", "198.18.0.1/x", "198.18.0.1/", "/24"}) {
    EXPECT_FALSE(LocalAddress::parse(wrong)) << wrong;
  }
}

TEST(DeviceConfig, ReadsDeviceNames) {
  EXPECT_EQ(DeviceConfig::parse("af_packet:veth0")->interface, "veth0");
  EXPECT_EQ(DeviceConfig::parse("af_xdp:eth1")->driver, Driver::kAfXdp);
  EXPECT_EQ(DeviceConfig::parse("tap:viaduct0")->driver, Driver::kTap);
  const auto memif = DeviceConfig::parse("memif:client:/run/m.sock:3");
  EXPECT_FALSE(memif->memif_server);
  EXPECT_EQ(memif->memif_socket, "/run/m.sock");
  EXPECT_EQ(memif->memif_id, 3u);
  EXPECT_EQ(DeviceConfig::parse("null:64")->null_frame_size, 64u);
  EXPECT_EQ(DeviceConfig::parse("ring")->driver, Driver::kRing);
  EXPECT_EQ(DeviceConfig::parse("pcap:in.pcap:out.pcap")->pcap_send, "out.pcap");
  EXPECT_EQ(DeviceConfig::parse("3b:00.0")->pci_address, "0000:3b:00.0");
  EXPECT_EQ(DeviceConfig::parse("0000:3b:00.1")->driver, Driver::kPci);
  for (const char* wrong : {"", "eth0", "af_packet", "af_packet:", "memif:server", "memif:peer:/s", "null:x", "ring:1",
                            "pcap", "3b:00", "0000:3b:00.g", "memif:server:/s:x"}) {
    const auto parsed = DeviceConfig::parse(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_NE(parsed.error().find("expected af_packet:IFACE"), std::string::npos);
  }
}

// Whatever comes in, a header that is accepted lies within the packet.
RC_GTEST_PROP(IpHeader, StaysWithinThePacket, (std::vector<uint8_t> bytes, bool is_v6, bool plausible)) {
  if (plausible && bytes.size() > 6) {
    bytes[0] = is_v6 ? 0x60 : static_cast<uint8_t>(0x40 | (bytes[0] & 15));
    bytes[is_v6 ? 4 : 2] = 0;
  }
  IpHeader header;
  const Verdict verdict = is_v6 ? read_ipv6(bytes, header) : read_ipv4(bytes, true, header);
  test::mark_verdict(verdict);
  if (verdict == Verdict::kNone) RC_ASSERT(size_t{header.length} + header.payload_length <= bytes.size());
  IpHeader quoted;
  if (read_quoted_ip(bytes, is_v6, quoted)) RC_ASSERT(quoted.length <= bytes.size());
}

TEST(PathMtuLog, GivesEveryReaderTheLastMessages) {
  PathMtuLog log;
  uint64_t early = log.written(), late = early;
  PathMtuMessage message, got;
  for (uint16_t i = 0; i < 100; ++i) {
    message.mtu = i;
    log.write(message);
    if (i == 0) {
      ASSERT_TRUE(log.read(early, got));
    }
  }
  for (unsigned expected = 100 - PathMtuLog::kSize; expected < 100; ++expected) {
    ASSERT_TRUE(log.read(late, got));
    EXPECT_EQ(got.mtu, expected);
  }
  EXPECT_FALSE(log.read(late, got));
  ASSERT_TRUE(log.read(early, got));
}

TEST(PathMtuLog, IsReadWholeWhileItIsWritten) {
  PathMtuLog log;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&] {
      PathMtuMessage message;
      for (unsigned i = 0; i < 20000; ++i) {
        message.mtu = static_cast<uint16_t>(i);
        message.udp_payload = static_cast<uint16_t>(~i);
        message.quoted.fill(static_cast<uint8_t>(i));
        log.write(message);
      }
    });
  }
  uint64_t cursor = 0, torn = 0, read = 0;
  PathMtuMessage got;
  while (cursor < 40000) {
    if (!log.read(cursor, got)) continue;
    ++read;
    torn +=
        static_cast<uint16_t>(got.mtu ^ got.udp_payload) != 0xffff || got.quoted[47] != static_cast<uint8_t>(got.mtu);
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(read, 0u);
}

IpAddress address(unsigned n) {
  return IpAddress::v4(10, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n));
}
MacAddress mac_with(uint8_t value) { return {{2, value, value, value, value, value}}; }

TEST(NeighbourTable, IsBoundedAndKeepsWhatIsInUse) {
  NeighbourTable table(64);
  const Instant now = Instant::from_ns(1);
  std::vector<IpAddress> in_use;
  for (unsigned i = 0; i < 20; ++i) {
    if (!table.want(address(i), now)) continue;
    table.learn(address(i), mac_with(static_cast<uint8_t>(i)), now);
    ASSERT_TRUE(table.find(address(i)));
    in_use.push_back(address(i));
  }
  for (unsigned i = 1000; i < 5000; ++i) table.want(address(i), now);
  EXPECT_LE(table.used(), table.capacity());
  EXPECT_GT(table.evicted(), 0u);
  for (const IpAddress& ip : in_use) EXPECT_TRUE(table.find(ip)) << ip.to_string();
}

TEST(NeighbourTable, TakesNothingThatNobodyWanted) {
  NeighbourTable table(64);
  EXPECT_FALSE(table.learn(address(1), mac_with(1), Instant::from_ns(1)));
  EXPECT_FALSE(table.find(address(1)));
}

TEST(NeighbourTable, KeepsStaticNeighbours) {
  NeighbourTable table(64);
  table.add(address(1), mac_with(1), Instant::from_ns(1), true);
  EXPECT_TRUE(table.learn(address(1), mac_with(9), Instant::from_ns(2)));
  EXPECT_EQ(table.find(address(1)), mac_with(1));
  NeighbourTable::Question questions[4];
  EXPECT_EQ(table.due(Instant::from_ns(int64_t{1} << 60), questions), 0u);
  EXPECT_TRUE(table.next_due().is_never());
}

// A MAC address is read whole while others write, and a change is seen by its epoch.
TEST(NeighbourTable, IsReadWholeWhileItIsWritten) {
  NeighbourTable table(64);
  const Instant now = Instant::from_ns(1);
  table.want(address(1), now);
  table.learn(address(1), mac_with(0), now);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (uint8_t writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&, writer] {
      for (unsigned i = 0; !stop; ++i) {
        table.learn(address(1), mac_with(static_cast<uint8_t>(i)), now);
        table.want(address(100 + writer * 1000 + i % 500), now);
      }
    });
  }
  unsigned torn = 0;
  for (int i = 0; i < 200000; ++i) {
    const auto mac = table.find(address(1));
    if (mac) torn += *mac != mac_with(mac->bytes[1]);
  }
  const uint32_t epoch = table.epoch();
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(epoch, 1u);
  EXPECT_LE(table.used(), table.capacity());
}

uint32_t u32_at(const std::vector<uint8_t>& bytes, size_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, 4);
  return value;
}

TEST(Pcapng, WritesBlocksThatReadersCanWalk) {
  PcapngWriter writer;
  writer.start("viaduct", {"af_packet:v0/0", "x"}, 2048);
  const std::vector<uint8_t> frame = {1, 2, 3, 4, 5};
  writer.packet(1, 0x123456789abcdef0, 1500, frame, 2, "to server 7");
  const std::vector<uint8_t>& file = writer.buffer();
  std::vector<uint32_t> types;
  size_t last = 0;
  for (size_t at = 0; at < file.size();) {
    const uint32_t length = u32_at(file, at + 4);
    ASSERT_EQ(length % 4, 0u);
    ASSERT_LE(at + length, file.size());
    ASSERT_EQ(u32_at(file, at + length - 4), length);
    types.push_back(u32_at(file, at));
    last = at;
    at += length;
  }
  EXPECT_EQ(types, (std::vector<uint32_t>{0x0a0d0d0a, 1, 1, 6}));
  EXPECT_EQ(u32_at(file, last + 8), 1u);
  EXPECT_EQ(u32_at(file, last + 12), 0x12345678u);
  EXPECT_EQ(u32_at(file, last + 16), 0x9abcdef0u);
  EXPECT_EQ(u32_at(file, last + 20), 5u);
  EXPECT_EQ(u32_at(file, last + 24), 1500u);
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), file.begin() + static_cast<ptrdiff_t>(last) + 28));
}

TEST(Placement, GivesEveryWorkerACpuAndAReason) {
  for (const unsigned workers : {1u, 2u, 5u}) {
    const Placement plan = plan_placement({.workers = workers, .devices = {"0000:3b:00.0", "lo"}});
    ASSERT_EQ(plan.workers.size(), workers);
    ASSERT_EQ(plan.control_cpus.size(), 1u);
    for (const Placement::Worker& worker : plan.workers) EXPECT_FALSE(worker.reason.empty());
    const std::string text = plan.explain();
    EXPECT_NE(text.find("control thread: CPU"), std::string::npos);
    EXPECT_NE(text.find("worker " + std::to_string(workers - 1)), std::string::npos);
  }
}

TEST(Placement, SharesTheControlCpuLast) {
  const unsigned cpus = std::thread::hardware_concurrency();
  if (cpus < 2) return;
  const Placement plan = plan_placement({.workers = cpus - 1});
  EXPECT_TRUE(plan.pinned);
  for (const auto& worker : plan.workers) EXPECT_NE(worker.cpu, plan.control_cpus[0]);
  EXPECT_FALSE(plan_placement({.workers = cpus + 1}).pinned);
  EXPECT_TRUE(plan_placement({.workers = cpus + 1, .always_pin = true}).pinned);
  EXPECT_FALSE(plan_placement({.workers = 1, .never_pin = true}).pinned);
}

}  // namespace
}  // namespace viaduct::net
