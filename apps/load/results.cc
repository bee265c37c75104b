#include "apps/load/results.h"

#include <format>
#include <nlohmann/json.hpp>
#include <numeric>

namespace viaduct::load {
namespace {

constexpr struct {
  const char* name;
  double share;
} kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};

const char* name_of(Work work) {
  switch (work) {
    case Work::kRequests:
      return "requests";
    case Work::kHandshakes:
      return "handshakes";
    case Work::kIdle:
      return "idle";
  }
  return "";
}

double us(Duration duration) { return static_cast<double>(duration.ns()) / 1000; }

nlohmann::json json_of(const Histogram& histogram) {
  nlohmann::json json = {{"count", histogram.count()}, {"mean", us(histogram.mean())}};
  for (const auto& [name, share] : kQuantiles) json[name] = us(histogram.quantile(share));
  return json;
}

std::string line_of(const Histogram& histogram) {
  std::string text;
  for (const auto& [name, share] : kQuantiles) text += std::format("  {} {:.1f}", name, us(histogram.quantile(share)));
  return text;
}

}  // namespace

Totals Totals::since(const Totals& before) const {
  Totals difference = *this;
  difference.requests_done -= before.requests_done;
  difference.requests_failed -= before.requests_failed;
  difference.body_bytes -= before.body_bytes;
  difference.upload_bytes -= before.upload_bytes;
  difference.handshakes -= before.handshakes;
  difference.handshakes_failed -= before.handshakes_failed;
  difference.connections_lost -= before.connections_lost;
  difference.migrations -= before.migrations;
  difference.packets_received -= before.packets_received;
  difference.packets_sent -= before.packets_sent;
  difference.packets_lost -= before.packets_lost;
  for (size_t i = 0; i < by_class.size(); ++i) difference.by_class[i] -= before.by_class[i];
  for (size_t i = 0; i < cycles.size(); ++i) difference.cycles[i] -= before.cycles[i];
  return difference;
}

uint64_t Totals::busy_cycles() const {
  const auto of = [&](Stage stage) { return cycles[static_cast<size_t>(stage)]; };
  return std::accumulate(cycles.begin(), cycles.end(), uint64_t{0}) - of(Stage::kIdle) - of(Stage::kStolen);
}

double Totals::busy_share() const {
  const uint64_t busy = busy_cycles();
  const uint64_t own = busy + cycles[static_cast<size_t>(Stage::kIdle)];
  return own == 0 ? 0 : static_cast<double>(busy) / static_cast<double>(own);
}

bool Results::is_good(const Config& config) const {
  const uint64_t done = config.work == Work::kRequests     ? measured.requests_done
                        : config.work == Work::kHandshakes ? measured.handshakes
                                                           : measured.connections_open;
  return done > 0 && measured.requests_failed + measured.handshakes_failed + measured.connections_lost == 0;
}

std::string Results::text(const Config& config) const {
  const auto rate = [&](uint64_t count) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; };
  std::string text = std::format("measured {:.2f} s{}\n", seconds, was_interrupted ? " (interrupted)" : "");
  text += std::format("requests     {} done, {} failed, {:.0f} per second\n", measured.requests_done,
                      measured.requests_failed, rate(measured.requests_done));
  text += std::format("content      {:.3f} Gb/s down, {:.3f} Gb/s up\n", rate(measured.body_bytes) * 8 / 1e9,
                      rate(measured.upload_bytes) * 8 / 1e9);
  text += std::format("handshakes   {} done, {} failed, {:.0f} per second\n", measured.handshakes,
                      measured.handshakes_failed, rate(measured.handshakes));
  text += std::format("connections  {} open, {} lost, {} moved\n", measured.connections_open, measured.connections_lost,
                      measured.migrations);
  if (latencies.count() > 0) text += "latency µs " + line_of(latencies) + "\n";
  if (latencies.count() > 0 && expected_interval > Duration())
    text += std::format(" corrected {}  (for an interval of {:.1f})\n", line_of(corrected), us(expected_interval));
  if (handshake_times.count() > 0) text += "handshake µs " + line_of(handshake_times) + "\n";
  text += std::format("client       {:.1f} % busy, {} packets in, {} out{}\n", measured.busy_share() * 100,
                      measured.packets_received, measured.packets_sent,
                      is_client_limited() ? "; it may be what limited the run" : "");
  std::string quic;
  for (size_t i = 0; i < measured.quic.size(); ++i) {
    if (measured.quic[i] > 0) quic += std::format("  {} {}", kQuicCounters[i].name, measured.quic[i]);
  }
  if (!quic.empty()) text += "quic       " + quic + "\n";
  if (config.without_authentication) text += "note         the client did not authenticate what it received\n";
  if (!last_problem.empty()) text += "last problem " + last_problem + "\n";
  return text;
}

std::string Results::json(const Config& config) const {
  const auto rate = [&](uint64_t count) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; };
  nlohmann::json stages, quic;
  for (size_t i = 0; i < measured.quic.size(); ++i) quic[kQuicCounters[i].name] = measured.quic[i];
  for (size_t i = 0; i < kStages; ++i) stages[std::string(kStageNames[i])] = measured.cycles[i];
  nlohmann::json json = {
      {"program", "viaduct-load"},
      {"work", name_of(config.work)},
      {"connections", config.connections},
      {"in_flight", config.in_flight},
      {"rate", config.rate},
      {"seconds", seconds},
      {"interrupted", was_interrupted},
      {"requests",
       {{"done", measured.requests_done},
        {"failed", measured.requests_failed},
        {"per_second", rate(measured.requests_done)},
        {"by_class", measured.by_class}}},
      {"content",
       {{"down_bytes", measured.body_bytes},
        {"up_bytes", measured.upload_bytes},
        {"down_gbps", rate(measured.body_bytes) * 8 / 1e9},
        {"up_gbps", rate(measured.upload_bytes) * 8 / 1e9}}},
      {"handshakes",
       {{"done", measured.handshakes},
        {"failed", measured.handshakes_failed},
        {"per_second", rate(measured.handshakes)},
        {"in_all", measured.handshakes_in_all}}},
      {"connections_now",
       {{"open", measured.connections_open}, {"lost", measured.connections_lost}, {"moved", measured.migrations}}},
      {"quic", quic},
      {"latency_us", json_of(latencies)},
      {"latency_corrected_us", json_of(corrected)},
      {"expected_interval_us", us(expected_interval)},
      {"handshake_us", json_of(handshake_times)},
      {"client",
       {{"busy_share", measured.busy_share()},
        {"may_limit", is_client_limited()},
        {"authenticates", !config.without_authentication},
        {"packets_received", measured.packets_received},
        {"packets_sent", measured.packets_sent},
        {"packets_lost", measured.packets_lost},
        {"cycles_per_second", cycles_per_second},
        {"cycles", stages}}},
      {"last_problem", last_problem}};
  return json.dump(2);
}

}  // namespace viaduct::load
