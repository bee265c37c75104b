// Our own commands in DPDK's telemetry, where dpdk-telemetry.py and the Prometheus exporter find them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/verdict.h"

namespace viaduct::net {

// The answer to a command: a flat list of names and values. DPDK cuts an answer at 256 of them.
class TelemetryAnswer {
 public:
  void add(std::string name, uint64_t value) { numbers_.emplace_back(std::move(name), value); }
  void add(std::string name, std::string text) { texts_.emplace_back(std::move(name), std::move(text)); }
  // Each verdict of the list that has been counted, by name.
  void add(const VerdictCounters& counters, std::span<const VerdictInfo> verdicts);

  const std::vector<std::pair<std::string, uint64_t>>& numbers() const { return numbers_; }
  const std::vector<std::pair<std::string, std::string>>& texts() const { return texts_; }

 private:
  std::vector<std::pair<std::string, uint64_t>> numbers_;
  std::vector<std::pair<std::string, std::string>> texts_;
};

// Called on telemetry's thread, with the text behind the comma of the request ("/viaduct/ports,0").
using TelemetryCommand = std::function<void(std::string_view parameter, TelemetryAnswer&)>;

// Adds a command below "/viaduct/", or gives one that is there another callback. An empty string, or what went wrong.
// Control thread, while the EAL runs.
std::string register_telemetry(const std::string& path, const std::string& help, TelemetryCommand command);

// From now on the command fails, and its callback is gone: before what it reads goes. DPDK cannot take the name back.
void silence_telemetry(const std::string& path);

}  // namespace viaduct::net
