// The EAL on hugepages: nothing is left behind, and a capture tool can attach. Needs root.
//
// The program starts itself again as DPDK's secondary process, which does what dpdk-dumpcap does: it asks the primary
// for copies of a port's frames.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pdump.h>
#include <rte_ring.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pmd-glue/device.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/frame_port.h"
#include "tests/pmd-glue/virtual_cable.h"
#include "tests/support/frame_builder.h"

namespace viaduct::net {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPageCount = "/proc/sys/vm/nr_hugepages";
constexpr unsigned kPages = 96;  // of 2 MB

unsigned page_count() {
  unsigned count = 0;
  std::ifstream(kPageCount) >> count;
  return count;
}

// Hugepages and a folder to take them from, both given back.
class ReservedPages {
 public:
  ReservedPages() : before_(page_count()), folder_("/tmp/viaduct-pages-" + std::to_string(getpid())) {
    std::ofstream(kPageCount) << before_ + kPages;
    fs::create_directories(folder_);
    EXPECT_EQ(unshare(CLONE_NEWNS), 0);
    EXPECT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    EXPECT_EQ(mount("viaduct", folder_.c_str(), "hugetlbfs", 0, "pagesize=2M"), 0);
  }
  ~ReservedPages() {
    umount(folder_.c_str());
    fs::remove_all(folder_);
    std::ofstream(kPageCount) << before_;
  }
  bool are_there() const { return page_count() >= before_ + kPages; }
  std::string operator/(const char* name) const { return folder_ + "/" + name; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    return names;
  }

 private:
  const unsigned before_;
  const std::string folder_;
};

std::string program_path;

TEST(Hugepages, AreUsedShownToCaptureToolsAndGivenBack) {
  const ReservedPages pages;
  ASSERT_TRUE(pages.are_there()) << "no memory for " << kPages << " hugepages of 2 MB (" << kPageCount << ")";
  std::ofstream(pages / "viaduct-deadmap_3");  // of a process that was killed
  std::ofstream(pages / "notes.txt");          // not ours
  const std::string prefix = "viaduct-test-" + std::to_string(getpid());
  {
    EalConfig config;
    config.program = "test";
    config.file_prefix = prefix;
    config.hugepages = Hugepages::kOn;
    config.memory_mb = 128;
    auto eal = Eal::start(config);
    ASSERT_TRUE(eal.has_value()) << eal.error();
    EXPECT_TRUE(eal->uses_hugepages());
    EXPECT_TRUE(eal->allows_dumpcap());
    EXPECT_FALSE(fs::exists(pages / "viaduct-deadmap_3"));

    const test::FarHost far("near", "far", "198.18.0.2/24", "2001:db8::2/64");
    auto device = Device::open(DeviceConfig::parse("af_packet:near").value());
    ASSERT_TRUE(device.has_value()) << device.error();
    FILE* tool = popen((program_path + " --attach " + prefix + " 2>&1").c_str(), "r");
    ASSERT_NE(tool, nullptr);
    // Frames go out until the other process has seen enough.
    std::string output;
    std::atomic<bool> done{false};
    std::thread reader([&] {
      char line[256];
      while (std::fgets(line, sizeof line, tool)) output += line;
      done = true;
    });
    const test::Frame frame = test::FrameBuilder().eth({}, {}).ether_type(0x88b5).payload("captured").build();
    while (!done) {
      Packet* packet = nullptr;
      if (device->queue(0).allocate({&packet, 1}) == 1) {
        std::copy(frame.begin(), frame.end(), packet->data());
        packet->length = static_cast<uint16_t>(frame.size());
        if (device->queue(0).send({&packet, 1}) == 0) device->queue(0).release({&packet, 1});
      }
      usleep(1000);
    }
    reader.join();
    EXPECT_EQ(pclose(tool), 0) << output;
    EXPECT_NE(output.find("captured 10 frames"), std::string::npos) << output;
  }
  EXPECT_EQ(pages.files(), std::vector<std::string>{"notes.txt"});
  EXPECT_FALSE(fs::exists("/run/dpdk/" + prefix));
}

// The secondary process. Its exit status says whether it saw ten frames of ours within ten seconds.
int attach(const std::string& prefix) {
  std::vector<std::string> arguments = {"attach",   "--proc-type=secondary", "--file-prefix=" + prefix,
                                        "--no-pci", "--log-level=error",     "--lcores=0"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) return 2;
  rte_ring* ring = rte_ring_create("captured", 256, SOCKET_ID_ANY, 0);
  rte_mempool* pool = rte_pktmbuf_pool_create("captured", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (!ring || !pool) return 3;
  if (rte_pdump_enable(0, RTE_PDUMP_ALL_QUEUES, RTE_PDUMP_FLAG_RXTX, ring, pool, nullptr) != 0) return 4;
  unsigned seen = 0;
  for (int round = 0; round < 10000 && seen < 10; ++round) {
    void* object = nullptr;
    if (rte_ring_dequeue(ring, &object) != 0) {
      usleep(1000);
      continue;
    }
    auto* mbuf = static_cast<rte_mbuf*>(object);
    seen += std::string_view(rte_pktmbuf_mtod(mbuf, char*), mbuf->data_len).ends_with("captured");
    rte_pktmbuf_free(mbuf);
  }
  rte_pdump_disable(0, RTE_PDUMP_ALL_QUEUES, RTE_PDUMP_FLAG_RXTX);
  std::printf("captured %u frames\n", seen);
  std::fflush(stdout);
  rte_eal_cleanup();
  return seen == 10 ? 0 : 5;
}

}  // namespace
}  // namespace viaduct::net

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--attach") return viaduct::net::attach(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  viaduct::net::program_path = std::filesystem::read_symlink("/proc/self/exe");
  viaduct::test::enter_private_network();
  return RUN_ALL_TESTS();
}
