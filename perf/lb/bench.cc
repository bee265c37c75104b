#include "perf/lb/bench.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

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

// What a balancer's worker does in the stages that it books.
std::string stage_name(Stage stage) {
  switch (stage) {
    case Stage::kHeaders:
      return "parse";
    case Stage::kOpen:
      return "connection IDs";
    case Stage::kFrames:
      return "tables";
    case Stage::kBuild:
      return "rewrite";
    default:
      return std::string(kStageNames[static_cast<size_t>(stage)]);
  }
}

lb::FrameFacts facts(const net::FramePort& near) {
  lb::FrameFacts facts;
  facts.mac = near.mac();
  facts.first_nat_port = facts.first_nat_port_of_worker = kFirstNatPort;
  facts.last_nat_port = kFirstNatPort + kNatPorts - 1;
  facts.nat_ports_of_worker = kNatPorts;
  return facts;
}

Row row_of(const std::string& name, const std::string& metric, const std::string& unit,
           const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  return {.suite = "lb",
          .name = name,
          .metric = metric,
          .unit = unit,
          .median = sorted[sorted.size() / 2],
          .min = sorted.front(),
          .max = sorted.back(),
          .runs = sorted.size(),
          .reference = {}};
}

// Cycles of a packet, stage by stage, and their sum.
std::vector<Row> stage_rows(const std::string& name, const Tally& tally) {
  std::vector<Row> rows;
  double sum = 0;
  for (size_t at = 0; at < kStages; ++at) {
    const auto stage = static_cast<Stage>(at);
    if (stage == Stage::kIdle || stage == Stage::kStolen) continue;
    const double cycles = static_cast<double>(tally.cycles[at]) / static_cast<double>(tally.packets);
    sum += cycles;
    if (cycles >= 0.5) rows.push_back(row_of(name, "stage " + stage_name(stage), "cycles", {cycles}));
  }
  rows.insert(rows.begin(), row_of(name, "busy", "cycles", {sum}));
  return rows;
}

}  // namespace

BalancerCase::BalancerCase(const BalancerCaseOptions& options, net::FramePort& near)
    : options_(options),
      configuration_(bench_configuration(options.mix, options.delivery, options.flow_entries)),
      traffic_(options.mix, configuration_, near.mac(), options.size),
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

void BalancerCase::fill_table() {
  Random random = Random::from_seed(2);
  const Instant now = MonotonicClock::now();
  lb::FlowTable& table = handler_.router().flows();
  for (size_t i = table.use().inserted; i < configuration_.flow_state.entries; ++i)
    table.insert(random.u64(), static_cast<uint16_t>(i % kBackends), now);
}

// Feeds and works in turns. The time that counts is that in which the worker works, as the thread used it.
template <class RigType>
std::pair<double, double> Bench::take_turns(RigType& rig) {
  double busy = 0;
  const Instant begin = MonotonicClock::now();
  for (uint64_t done = 0; done < kRun;) {
    done += feeder_.feed(kBatch);
    rig.meter().end_round(false);  // what passed since its last round was not the worker's
    const uint64_t before = rig.received();
    const double began = thread_ns();
    while (true) {
      const uint64_t received = rig.received();
      rig.round();
      if (rig.received() == received) break;
    }
    busy += thread_ns() - began;
    if (rig.received() == before) std::fprintf(stderr, "nothing arrives\n");
    feeder_.drain();
  }
  return {busy, static_cast<double>((MonotonicClock::now() - begin).ns())};
}

// The feeder on a thread of its own. What counts are the worker's busy cycles, in nanoseconds of this run's clock.
template <class RigType>
std::pair<double, double> Bench::beside_a_feeder(RigType& rig) {
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
  const double share =
      static_cast<double>(rig.meter().busy() - busy) / static_cast<double>(rig.meter().total() - total);
  stop = true;
  feeder.join();
  feeder_.drain();
  while (true) {
    const uint64_t received = rig.received();
    rig.round();
    feeder_.drain();
    if (rig.received() == received) break;
  }
  return {wall * share, wall};
}

// Nanoseconds of kRun packets. run: handles about as many; its busy time and all of its time.
template <class RigType, class Run>
double Bench::tallied(RigType& rig, Tally& tally, Run run) {
  rig.meter().end_round(false);  // what passed since its last round was not the worker's
  std::array<uint64_t, kStages> before;
  for (size_t stage = 0; stage < kStages; ++stage) before[stage] = rig.meter().cycles(static_cast<Stage>(stage));
  const uint64_t received = rig.received();
  const auto [busy, wall] = run();
  for (size_t stage = 0; stage < kStages; ++stage)
    tally.cycles[stage] += rig.meter().cycles(static_cast<Stage>(stage)) - before[stage];
  const uint64_t packets = rig.received() - received;
  tally.packets += packets;
  tally.wall_rates.push_back(static_cast<double>(packets) / wall * 1e9);
  return busy * static_cast<double>(kRun) / static_cast<double>(packets);
}

template <class RigType>
double Bench::run_once(RigType& rig, const Traffic& traffic, uint32_t flows, Tally& tally) {
  feeder_.use(traffic, flows);
  return tallied(rig, tally, [&] { return options_.one_thread ? take_turns(rig) : beside_a_feeder(rig); });
}

Case Bench::case_of(BalancerCase& balancer, Tally& tally) {
  return {.name = balancer.name(),
          .items = kRun,
          .timed = [this, &balancer,
                    &tally] { return run_once(balancer.rig(), balancer.traffic(), balancer.flows(), tally); },
          .rate = "packets/s"};
}

Case Bench::bare_port(const Traffic& traffic, Tally& tally) {
  return {.name = "bare-port",
          .items = kRun,
          .timed = [this, &traffic, &tally] { return run_once(bare_rig_, traffic, 0, tally); },
          .rate = "packets/s"};
}

// The rows of each case, and after its rate those of its tally.
std::vector<Row> Bench::measure_all(const std::vector<Case>& cases, const std::vector<Tally>& tallies) const {
  std::vector<Row> rows;
  size_t at = 0;
  for (const Row& row : measure("lb", cases, options_.turns)) {
    rows.push_back(row);
    if (row.metric != "rate") continue;
    rows.push_back(row_of(row.name, "wall rate", row.unit, tallies[at].wall_rates));
    for (Row& stage : stage_rows(row.name, tallies[at])) rows.push_back(std::move(stage));
    ++at;
  }
  return rows;
}

Bench::Balancers Bench::balancers_of(const std::string& part) {
  if (part == "flows") return tables();
  Balancers made;
  const uint16_t bytes = options_.frame_size;
  const std::string size = "/" + std::to_string(bytes);
  const auto add = [&](const BalancerCaseOptions& options) {
    made.push_back(std::make_unique<BalancerCase>(options, near_));
  };
  if (part == "mixes") {
    for (const Mix& mix : kMixes) add({.name = "direct/" + mix.name + size, .mix = mix, .delivery = {}, .size = bytes});
  } else if (part == "forwarding") {
    using enum lb::Forwarding;
    for (const Delivery delivery : {Delivery{kDirect}, Delivery{kIpInIp}, Delivery{kIpInIp, true}, Delivery{kGue},
                                    Delivery{kGue, true}, Delivery{kNat}}) {
      // Translated flows are bounded by ports.
      const Mix mix{.name = "plaintext", .flows = delivery.forwarding == kNat ? kNatPorts / 2 : kFlows};
      add({.name = name_of(delivery) + "/plaintext" + size, .mix = mix, .delivery = delivery, .size = bytes});
    }
  } else if (part == "sizes") {
    for (const uint16_t length : {64, 300, 1350, 0})
      add({.name = "ip-in-ip/plaintext/" + (length == 0 ? "64-1350" : std::to_string(length)),
           .mix = kPlain,
           .delivery = {lb::Forwarding::kIpInIp},
           .size = length});
  }
  return made;
}

// A small table and a large one. A flow takes three entries: by source ID, by destination ID, by addresses. The large
// table is full, and the flows that are sent are a tenth of it.
Bench::Balancers Bench::tables() {
  const std::pair<size_t, uint32_t> kTables[] = {{10'000, 3'000}, {10'000'000, kFlows}};
  Balancers made;
  for (const auto& [entries, flows] : kTables) {
    made.push_back(
        std::make_unique<BalancerCase>(BalancerCaseOptions{.name = "direct/unroutable/flows=" + std::to_string(entries),
                                                           .mix = {.name = "unroutable", .unroutable = true},
                                                           .delivery = {},
                                                           .flow_entries = entries,
                                                           .size = options_.frame_size,
                                                           .flows = flows},
                                       near_));
    BalancerCase& balancer = *made.back();
    Tally ignored;
    for (uint32_t sent = 0; sent < 2 * flows; sent += kRun)
      run_once(balancer.rig(), balancer.traffic(), flows, ignored);
    balancer.fill_table();
  }
  return made;
}

// The loop's own cost: frames that nobody sent, to nobody.
std::vector<Row> Bench::run_loop() {
  std::vector<Tally> tallies(1);
  const auto spin = [this] {
    const uint64_t received = null_rig_.received();
    const Instant begin = MonotonicClock::now();
    const double began = thread_ns();
    while (null_rig_.received() - received < kRun) null_rig_.round();
    return std::pair(thread_ns() - began, static_cast<double>((MonotonicClock::now() - begin).ns()));
  };
  return measure_all({{.name = "null/bare-port/64",
                       .items = kRun,
                       .timed = [&] { return tallied(null_rig_, tallies[0], spin); },
                       .rate = "packets/s"}},
                     tallies);
}

std::vector<Row> Bench::run(const std::string& part) {
  if (part == "loop") return run_loop();
  const Balancers balancers = balancers_of(part);
  // What the others are compared with comes first: the port, or the small table.
  const bool is_port_first = part != "flows";
  std::vector<Tally> tallies(balancers.size() + 1);
  std::vector<Case> cases;
  for (size_t i = 0; i < balancers.size(); ++i) cases.push_back(case_of(*balancers[i], tallies[i + is_port_first]));
  cases.insert(is_port_first ? cases.begin() : cases.end(),
               bare_port(balancers.front()->traffic(), is_port_first ? tallies.front() : tallies.back()));
  return measure_all(cases, tallies);
}

}  // namespace viaduct::perf
