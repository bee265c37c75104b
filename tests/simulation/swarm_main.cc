// swarm [--seeds A..B] [--real-tls] [--verbose] [--print] [--digest]: runs drawn scenarios and stops at the first that
// fails.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/simulation/swarm.h"

namespace {

using viaduct::sim::run_drawn_scenario;

int usage() {
  std::cerr << "usage: swarm [--seeds FIRST..LAST] [--real-tls] [--verbose] [--print] [--digest]\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // Each scenario allocates the same few large pools; given back to the kernel, their pages would all be zeroed again.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  uint64_t first = 1, last = 300;
  bool real_tls = false, verbose = false, print = false, digest = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--real-tls") == 0) {
      real_tls = true;
    } else if (std::strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (std::strcmp(argv[i], "--print") == 0) {
      print = true;
    } else if (std::strcmp(argv[i], "--digest") == 0) {
      digest = true;
    } else if (std::strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
      char* end = nullptr;
      first = last = std::strtoull(argv[++i], &end, 10);
      if (std::strncmp(end, "..", 2) == 0) last = std::strtoull(end + 2, &end, 10);
      if (*end != '\0') return usage();
    } else {
      return usage();
    }
  }
  for (uint64_t seed = first; seed <= last; ++seed) {
    if (verbose) std::cout << "seed " << seed << std::endl;
    const uint64_t trace = run_drawn_scenario(seed, real_tls, print);
    if (digest) std::cout << seed << ' ' << std::hex << trace << std::dec << '\n';
    if (testing::UnitTest::GetInstance()->Failed()) {
      std::cerr << "failed: swarm --seeds " << seed << ".." << seed << (real_tls ? " --real-tls" : "") << '\n';
      return 1;
    }
  }
  std::cout << last - first + 1 << " scenarios passed\n";
  return 0;
}
