#include "tests/simulation/congestion_figures.h"

#include <algorithm>
#include <map>

namespace viaduct::sim {
namespace {

constexpr double kPacketBytes = 1500;
constexpr uint64_t kForEver = uint64_t{1} << 40;

double jain(const std::map<uint16_t, uint64_t>& bytes, size_t flows) {
  double sum = 0, squares = 0;
  for (const auto& [port, count] : bytes) {
    const auto value = static_cast<double>(count);
    sum += value;
    squares += value * value;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(flows) * squares) : 0;
}

}  // namespace

ScenarioConfig congestion_scenario(const CongestionOptions& options) {
  ScenarioConfig config;
  config.seed = options.seed;
  const double bdp = options.megabits * 1e6 / 8 * options.round_trip.seconds();
  config.to_client.bits_per_second = static_cast<uint64_t>(options.megabits * 1e6);
  config.to_client.rate_changes = options.rate_changes;
  config.to_client.queue_packets = static_cast<size_t>(std::max(20.0, options.queue * bdp / kPacketBytes));
  config.to_client.loss = options.loss;
  config.to_client.blackholes = options.blackholes;
  config.to_client.delay = config.to_server.delay = options.round_trip / 2;
  config.to_server.bits_per_second = 0;
  config.to_server.queue_packets = kUnlimited;
  config.connections = options.flows;
  config.client.transfers = {{.download = kForEver}};
  config.server.write_ahead = 16 << 20;
  config.client_endpoint.connection_window = config.client_endpoint.stream_window = 16 << 20;
  config.server_endpoint.congestion = options.controller;
  config.server_endpoint.loss_tolerance = options.loss_tolerance;
  config.server_endpoint.max_sent_packets = config.client_endpoint.max_sent_packets = 65'536;
  config.server_endpoint.max_writes = 65'536;
  config.client_endpoint.receive_slab_bytes = 64 << 20;
  return config;
}

double CongestionFigures::megabits(Duration from, Duration until) const {
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    const Duration at = kSampleTime * static_cast<int64_t>(i);
    if (at < from || at >= until) continue;
    sum += series[i].megabits;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

CongestionFigures measure_congestion(const CongestionOptions& options) {
  Scenario scenario(congestion_scenario(options));
  CongestionFigures figures;
  std::map<uint16_t, uint64_t> by_flow;
  scenario.simulation().add_delivered_tap([&](const Datagram& datagram) {
    const bool counts = datagram.to.ip == kClientIp && scenario.simulation().elapsed() >= options.measured_from;
    if (counts) by_flow[datagram.to.port] += datagram.payload.size();
  });
  scenario.start();
  LinkStats before, first;
  while (scenario.simulation().elapsed() < options.length) {
    if (scenario.simulation().elapsed() <= options.measured_from) first = scenario.to_client();
    scenario.simulation().run_for(kSampleTime);
    const LinkStats now = scenario.to_client();
    const double passed = static_cast<double>(now.delivered - before.delivered);
    figures.series.push_back(
        {.megabits = static_cast<double>(now.delivered_bytes - before.delivered_bytes) * 8e-6 / kSampleTime.seconds(),
         .queue_ms = passed > 0 ? (now.waited - before.waited).seconds() * 1e3 / passed : 0});
    before = now;
  }
  const double seconds = (options.length - options.measured_from).seconds();
  const auto share = [](uint64_t part, uint64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  };
  figures.utilisation =
      static_cast<double>(before.delivered_bytes - first.delivered_bytes) * 8e-6 / seconds / options.megabits;
  figures.queue_ms = (before.waited - first.waited).seconds() * 1e3 *
                     share(1, std::max<uint64_t>(before.delivered - first.delivered, 1));
  figures.dropped = share(before.dropped_by_queue - first.dropped_by_queue, before.offered - first.offered);
  figures.fairness = jain(by_flow, options.flows);
  return figures;
}

}  // namespace viaduct::sim
