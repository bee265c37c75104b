// main() of the test programs that need DPDK: it starts once in a process, on ordinary memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "pmd-glue/eal.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  viaduct::net::EalConfig config;
  config.program = "test";
  config.file_prefix = "viaduct-test-" + std::to_string(getpid());
  config.hugepages = viaduct::net::Hugepages::kOff;
  config.memory_mb = 128;
  auto eal = viaduct::net::Eal::start(config);
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
