// Prints the figures of each congestion controller as a table; with --series, the course of some runs as CSV, which
// perf/plot draws.
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/simulation/congestion_figures.h"

namespace viaduct::sim {
namespace {

using quic::ControllerKind;

struct Named {
  const char* name;
  ControllerKind kind;
};
constexpr Named kControllers[] = {
    {"newreno", ControllerKind::kNewReno}, {"cubic", ControllerKind::kCubic}, {"bbr", ControllerKind::kBbr}};

struct Run {
  std::string name;
  CongestionOptions options;
};

Instant at_second(int64_t seconds) { return Simulation::kStart + Duration::seconds(seconds); }

std::vector<Run> runs() {
  std::vector<Run> all;
  for (const int64_t ms : {10, 50, 200}) {
    all.push_back({"one flow, " + std::to_string(ms) + " ms", {.round_trip = Duration::milliseconds(ms)}});
  }
  all.push_back({"one flow, 1 % loss", {.loss = 0.01}});
  const CongestionOptions long_fat{
      .megabits = 100, .round_trip = Duration::milliseconds(200), .loss = 0.001, .length = Duration::seconds(15)};
  all.push_back({"100 Mbit/s, 200 ms, 0.1 %", long_fat});
  all.push_back({"the same, 1 % tolerated", long_fat});
  all.back().options.loss_tolerance = 0.01;
  all.push_back({"two flows", {.flows = 2, .length = Duration::seconds(40), .measured_from = Duration::seconds(10)}});
  all.push_back({"eight flows", {.flows = 8, .length = Duration::seconds(40), .measured_from = Duration::seconds(10)}});
  all.push_back(
      {"200 ms outage at 10 s", {.blackholes = {{at_second(10), at_second(10) + Duration::milliseconds(200)}}}});
  all.push_back({"20 to 5 Mbit/s at 10 s", {.rate_changes = {{at_second(10), 5'000'000}}}});
  all.push_back({"20 to 80 Mbit/s at 10 s", {.rate_changes = {{at_second(10), 80'000'000}}}});
  return all;
}

void print_table() {
  std::printf("20 Mbit/s, 50 ms, a queue of one bandwidth-delay product, where nothing else is said\n\n");
  std::printf("%-26s %-8s %12s %10s %9s %9s\n", "scenario", "", "utilisation", "queue, ms", "dropped", "fairness");
  for (const Run& run : runs()) {
    for (const Named& controller : kControllers) {
      CongestionOptions options = run.options;
      options.controller = controller.kind;
      const CongestionFigures figures = measure_congestion(options);
      std::printf("%-26s %-8s %10.1f %% %10.1f %7.2f %% %9.3f\n", run.name.c_str(), controller.name,
                  100 * figures.utilisation, figures.queue_ms, 100 * figures.dropped, figures.fairness);
    }
  }
}

void print_series() {
  std::printf("scenario,controller,seconds,megabits,queue_ms\n");
  for (const Run& run : runs()) {
    for (const Named& controller : kControllers) {
      CongestionOptions options = run.options;
      options.controller = controller.kind;
      double seconds = 0;
      for (const CongestionSample& sample : measure_congestion(options).series) {
        std::printf("\"%s\",%s,%.1f,%.3f,%.3f\n", run.name.c_str(), controller.name, seconds, sample.megabits,
                    sample.queue_ms);
        seconds += kSampleTime.seconds();
      }
    }
  }
}

}  // namespace
}  // namespace viaduct::sim

int main(int argc, char** argv) {
  const bool series = argc == 2 && std::strcmp(argv[1], "--series") == 0;
  if (argc > 1 && !series) {
    std::fprintf(stderr, "usage: congestion-table [--series]\n");
    return 2;
  }
  series ? viaduct::sim::print_series() : viaduct::sim::print_table();
  return 0;
}
