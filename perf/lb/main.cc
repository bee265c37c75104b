// Benchmark of the balancer's data path; run by perf/bench.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "perf/harness/report.h"
#include "perf/lb/rig.h"
#include "pmd-glue/eal.h"

namespace viaduct::perf {
namespace {

// Packets that one run handles.
constexpr uint64_t kRun = 131'072;
// Packets that are fed at a time where feeder and worker take turns on one thread: what a device's queue holds.
constexpr size_t kBatch = 512;

const Mix kPlain{.name = "plaintext"};
const Mix kMixes[] = {
    kPlain,
    {.name = "single-pass", .server_id_length = 8, .nonce_length = 8, .key = true},
    {.name = "four-pass-10", .server_id_length = 3, .nonce_length = 7, .key = true},
    {.name = "four-pass-18", .server_id_length = 8, .nonce_length = 10, .key = true},
    {.name = "initials", .initials = 10},
    {.name = "migrations", .migrations = 1},
};

struct Options {
  size_t turns = 15;
  bool one_thread = false;
  uint16_t frame_size = 64;
  std::vector<std::string> parts;
};

// A balancer with its tables filled as far as the case wants, and the traffic for it.
class BalancerCase {
 public:
  // flows: of unroutable traffic, 0: as the frames are.
  BalancerCase(const Mix& mix, lb::Forwarding forwarding, size_t flow_entries, uint32_t flows, net::FramePort& near,
               uint16_t size)
      : flows_(flows),
        configuration_(bench_configuration(mix, forwarding, flow_entries)),
        traffic_(mix, configuration_, near.mac(), size),
        handler_({}, configuration_, facts(near), snapshot_, link_, Random::from_seed(1)),
        rig_(near, handler_) {
    auto made = lb::RoutingSnapshot::make(configuration_, bench_link(near.mac()), slots_);
    if (!made) {
      std::fprintf(stderr, "%s\n", made.error().front().c_str());
      std::exit(1);
    }
    snapshot_.publish(std::move(*made));
    handler_.router().set_meter(&rig_.meter());
  }

  const Traffic& traffic() const { return traffic_; }
  uint32_t flows() const { return flows_; }
  // Fills the flow table with as many flows as it was made for.
  void fill_table() {
    Random random = Random::from_seed(2);
    const Instant now = MonotonicClock::now();
    lb::FlowTable& table = handler_.router().flows();
    for (size_t i = table.use().inserted; i < configuration_.flow_state.entries; ++i)
      table.insert(random.u64(), static_cast<uint16_t>(i % kBackends), now);
  }
  Rig<BalancerHandler>& rig() { return rig_; }

 private:
  static lb::FrameFacts facts(const net::FramePort& near) {
    lb::FrameFacts facts;
    facts.mac = near.mac();
    return facts;
  }

  uint32_t flows_;
  lb::Configuration configuration_;
  Traffic traffic_;
  lb::SlotDirectory slots_;
  Quiescence quiescence_;
  Snapshot<lb::RoutingSnapshot> snapshot_{quiescence_};
  NoLink link_;
  BalancerHandler handler_;
  Rig<BalancerHandler> rig_;
};

class Bench {
 public:
  explicit Bench(const Options& options, net::FramePort& near, net::FramePort& far)
      : options_(options), near_(near), feeder_(far), bare_rig_(near, bare_) {}

  void run(const std::string& part, std::vector<Row>& rows);

 private:
  struct Shares {
    std::array<uint64_t, kStages> cycles{};
    uint64_t packets = 0;
  };

  std::vector<Row> run_cases(std::vector<std::unique_ptr<BalancerCase>>& balancers,
                             const std::vector<std::string>& names);
  template <class RigType>
  double run_once(RigType& rig, const Traffic& traffic, uint32_t flows, Shares& shares);
  template <class RigType>
  double take_turns(RigType& rig);
  template <class RigType>
  double beside_a_feeder(RigType& rig);
  void add(std::vector<std::unique_ptr<BalancerCase>>& balancers, std::vector<std::string>& names, const Mix& mix,
           lb::Forwarding forwarding, size_t entries, uint16_t size, const std::string& name, uint32_t flows = 0) {
    balancers.push_back(std::make_unique<BalancerCase>(mix, forwarding, entries, flows, near_, size));
    names.push_back(name);
  }

  const Options& options_;
  net::FramePort& near_;
  Feeder feeder_;
  BareHandler bare_;
  Rig<BareHandler> bare_rig_;
};

// Feeds and works in turns. What counts is the time in which the worker works, as the thread used it.
template <class RigType>
double Bench::take_turns(RigType& rig) {
  double ns = 0;
  for (uint64_t done = 0; done < kRun;) {
    done += feeder_.feed(kBatch);
    const uint64_t before = rig.received();
    const double begin = thread_ns();
    while (true) {
      const uint64_t received = rig.received();
      rig.round();
      if (rig.received() == received) break;
    }
    ns += thread_ns() - begin;
    if (rig.received() == before) std::fprintf(stderr, "nothing arrives\n");
    feeder_.drain();
  }
  return ns;
}

// The feeder on a thread of its own. What counts are the worker's busy cycles, in nanoseconds of this run's clock.
template <class RigType>
double Bench::beside_a_feeder(RigType& rig) {
  std::atomic<bool> stop{false};
  std::thread feeder([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      feeder_.feed(kBurst);
      feeder_.drain();
    }
  });
  const uint64_t packets = rig.received(), busy = rig.meter().busy(), total = rig.meter().total();
  const Instant begin = MonotonicClock::now();
  while (rig.received() - packets < kRun) rig.round();
  const double wall = static_cast<double>((MonotonicClock::now() - begin).ns());
  stop = true;
  feeder.join();
  feeder_.drain();
  while (true) {
    const uint64_t received = rig.received();
    rig.round();
    feeder_.drain();
    if (rig.received() == received) break;
  }
  const double share =
      static_cast<double>(rig.meter().busy() - busy) / static_cast<double>(rig.meter().total() - total);
  return wall * share * static_cast<double>(kRun) / static_cast<double>(rig.received() - packets);
}

template <class RigType>
double Bench::run_once(RigType& rig, const Traffic& traffic, uint32_t flows, Shares& shares) {
  feeder_.use(traffic, flows);
  std::array<uint64_t, kStages> before;
  for (size_t stage = 0; stage < kStages; ++stage) before[stage] = rig.meter().cycles(static_cast<Stage>(stage));
  const uint64_t received = rig.received();
  const double ns = options_.one_thread ? take_turns(rig) : beside_a_feeder(rig);
  for (size_t stage = 0; stage < kStages; ++stage)
    shares.cycles[stage] += rig.meter().cycles(static_cast<Stage>(stage)) - before[stage];
  const uint64_t packets = rig.received() - received;
  shares.packets += packets;
  return ns * static_cast<double>(kRun) / static_cast<double>(packets);
}

std::vector<Row> Bench::run_cases(std::vector<std::unique_ptr<BalancerCase>>& balancers,
                                  const std::vector<std::string>& names) {
  std::vector<Shares> shares(balancers.size() + 1);
  std::vector<Case> cases;
  cases.push_back({.name = "bare-port",
                   .items = kRun,
                   .timed = [&] { return run_once(bare_rig_, balancers.front()->traffic(), 0, shares[0]); },
                   .rate = "packets/s"});
  for (size_t i = 0; i < balancers.size(); ++i) {
    cases.push_back({.name = names[i],
                     .items = kRun,
                     .timed =
                         [&, i] {
                           return run_once(balancers[i]->rig(), balancers[i]->traffic(), balancers[i]->flows(),
                                           shares[i + 1]);
                         },
                     .rate = "packets/s"});
  }
  std::vector<Row> rows = measure("lb", cases, options_.turns);
  for (size_t i = 0; i < cases.size(); ++i) {
    for (size_t stage = 0; stage < kStages; ++stage) {
      const double cycles = static_cast<double>(shares[i].cycles[stage]) / static_cast<double>(shares[i].packets);
      if (cycles < 0.5 || static_cast<Stage>(stage) == Stage::kIdle) continue;
      rows.push_back({.suite = "lb",
                      .name = cases[i].name,
                      .metric = std::string(kStageNames[stage]),
                      .unit = "cycles",
                      .median = cycles,
                      .min = cycles,
                      .max = cycles,
                      .runs = 1,
                      .reference = {}});
    }
  }
  return rows;
}

void Bench::run(const std::string& part, std::vector<Row>& rows) {
  std::vector<std::unique_ptr<BalancerCase>> balancers;
  std::vector<std::string> names;
  const std::string size = "/" + std::to_string(options_.frame_size);
  if (part == "mixes") {
    for (const Mix& mix : kMixes)
      add(balancers, names, mix, lb::Forwarding::kDirect, 1 << 20, options_.frame_size, "direct/" + mix.name + size);
  } else if (part == "forwarding") {
    for (const auto forwarding : {lb::Forwarding::kDirect, lb::Forwarding::kIpInIp, lb::Forwarding::kGue}) {
      const std::string name(lb::kForwardingNames[static_cast<size_t>(forwarding)]);
      add(balancers, names, kPlain, forwarding, 1 << 20, options_.frame_size, name + "/plaintext" + size);
    }
  } else if (part == "sizes") {
    for (const uint16_t bytes : {64, 300, 1350, 0})
      add(balancers, names, kPlain, lb::Forwarding::kIpInIp, 1 << 20, bytes,
          "ip-in-ip/plaintext/" + (bytes == 0 ? "64-1350" : std::to_string(bytes)));
  } else {
    // A flow takes three entries: by source ID, by destination ID, by addresses. The second table is full, and the
    // flows that are sent are a tenth of it.
    const Mix mix{.name = "unroutable", .unroutable = true};
    const std::pair<size_t, uint32_t> kTables[] = {{10'000, 3'000}, {10'000'000, kFlows}};
    for (const auto& [entries, flows] : kTables) {
      add(balancers, names, mix, lb::Forwarding::kDirect, entries, options_.frame_size,
          "direct/unroutable/flows=" + std::to_string(entries), flows);
      Shares ignored;
      for (uint32_t sent = 0; sent < 2 * flows; sent += kRun)
        run_once(balancers.back()->rig(), balancers.back()->traffic(), flows, ignored);
      balancers.back()->fill_table();
    }
  }
  const std::vector<Row> part_rows = run_cases(balancers, names);
  print_table(part_rows);
  std::fflush(stdout);
  rows.insert(rows.end(), part_rows.begin(), part_rows.end());
}

int main(int argc, char** argv) {
  CLI::App app("Measures the balancer's data path over a cable of two ring devices");
  Options options;
  std::string json;
  app.add_option("--json", json, "write the results to this file");
  app.add_option("--turns", options.turns, "how often each case is run")->check(CLI::Range(3, 1000));
  app.add_option("--size", options.frame_size, "bytes of a frame")->check(CLI::Range(64, 1350));
  app.add_flag("--one-thread", options.one_thread, "feeder and worker take turns on one core");
  app.add_option("parts", options.parts, "mixes, forwarding, sizes, flows (none: all)");
  CLI11_PARSE(app, argc, argv);
  if (options.parts.empty()) options.parts = {"mixes", "forwarding", "sizes", "flows"};

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
  auto cable = net::Device::open_cable(*config);
  if (!cable) {
    std::fprintf(stderr, "bench-lb: %s\n", cable.error().c_str());
    return 1;
  }
  std::vector<Row> rows;
  {
    Bench bench(options, cable->first.queue(0), cable->second.queue(0));
    for (const std::string& part : options.parts) bench.run(part, rows);
  }
  auto machine = describe_machine();
  machine["feeder"] = options.one_thread ? "takes turns with the worker on one thread" : "a thread of its own";
  return json.empty() || write_json(json, machine, rows) ? 0 : 1;
}

}  // namespace
}  // namespace viaduct::perf

int main(int argc, char** argv) { return viaduct::perf::main(argc, argv); }
