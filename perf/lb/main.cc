// Benchmark of the balancer's data path; run by perf/bench.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "perf/harness/report.h"
#include "perf/lb/bench.h"
#include "pmd-glue/eal.h"

namespace viaduct::perf {
namespace {

std::expected<net::Device, std::string> open_null() {
  auto config = net::DeviceConfig::parse("null:64");
  config->idle = net::IdlePolicy::kPoll;
  return net::Device::open(*config);
}

int main(int argc, char** argv) {
  CLI::App app("Measures the balancer's data path over a cable of two ring devices");
  Options options;
  std::string json;
  app.add_option("--json", json, "write the results to this file");
  app.add_option("--turns", options.turns, "how often each case is run")->check(CLI::Range(3, 1000));
  app.add_option("--size", options.frame_size, "bytes of a frame")->check(CLI::Range(64, 1350));
  app.add_flag("--one-thread", options.one_thread, "feeder and worker take turns on one core");
  app.add_option("parts", options.parts, "mixes, forwarding, sizes, flows, loop (none: all)");
  CLI11_PARSE(app, argc, argv);
  if (options.parts.empty()) options.parts = {"mixes", "forwarding", "sizes", "flows", "loop"};

  net::EalConfig eal_config;
  eal_config.program = "bench-lb";
  eal_config.file_prefix = "viaduct-bench-" + std::to_string(getpid());
  eal_config.hugepages = net::Hugepages::kAuto;
  eal_config.memory_mb = 256;
  auto eal = net::Eal::start(eal_config);
  if (!eal) {
    std::fprintf(stderr, "bench-lb: %s\n", eal.error().c_str());
    return 1;
  }
  auto config = net::DeviceConfig::parse("ring");
  config->idle = net::IdlePolicy::kPoll;
  // As many packets as the queues hold: a device's are used again so soon that they stay in the second cache.
  config->rx_descriptors = config->tx_descriptors = config->held_packets = 512;
  auto cable = net::Device::open_cable(*config);
  auto null = open_null();
  if (!cable || !null) {
    std::fprintf(stderr, "bench-lb: %s\n", (cable ? null.error() : cable.error()).c_str());
    return 1;
  }
  std::vector<Row> rows;
  {
    Bench bench(options, cable->first.queue(0), cable->second.queue(0), null->queue(0));
    for (const std::string& part : options.parts) {
      const std::vector<Row> part_rows = bench.run(part);
      print_table(part_rows);
      std::fflush(stdout);
      rows.insert(rows.end(), part_rows.begin(), part_rows.end());
    }
  }
  auto machine = describe_machine();
  machine["feeder"] = options.one_thread ? "takes turns with the worker on one thread" : "a thread of its own";
  return json.empty() || write_json(json, machine, rows) ? 0 : 1;
}

}  // namespace
}  // namespace viaduct::perf

int main(int argc, char** argv) { return viaduct::perf::main(argc, argv); }
