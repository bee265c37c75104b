#include "pmd-glue/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace viaduct::net {
namespace {

std::mutex mutex;
std::map<std::string, TelemetryCommand, std::less<>>& commands() {
  static std::map<std::string, TelemetryCommand, std::less<>> all;
  return all;
}

// DPDK accepts letters, digits, underscores and slashes.
std::string accepted_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)) && c != '/'; }, '_');
  return name;
}

int answer(const char* path, const char* parameter, rte_tel_data* data) {
  const std::lock_guard lock(mutex);
  const auto command = commands().find(std::string_view(path));
  if (command == commands().end() || !command->second) return -1;
  TelemetryAnswer values;
  command->second(parameter ? parameter : "", values);
  rte_tel_data_start_dict(data);
  for (const auto& [name, value] : values.numbers())
    rte_tel_data_add_dict_uint(data, accepted_name(name).c_str(), value);
  for (const auto& [name, text] : values.texts()) {
    rte_tel_data_add_dict_string(data, accepted_name(name).c_str(), text.c_str());
  }
  return 0;
}

}  // namespace

void TelemetryAnswer::add(const VerdictCounters& counters, std::span<const VerdictInfo> verdicts) {
  for (const VerdictInfo& verdict : verdicts) {
    if (counters[verdict.id] > 0) add(std::string(verdict.name), counters[verdict.id]);
  }
}

std::string register_telemetry(const std::string& path, const std::string& help, TelemetryCommand command) {
  if (!path.starts_with("/viaduct/")) return "a telemetry command's path starts with /viaduct/";
  const std::lock_guard lock(mutex);
  const bool known = commands().contains(path);
  commands()[path] = std::move(command);
  if (known || rte_telemetry_register_cmd(path.c_str(), answer, help.c_str()) == 0) return "";
  commands().erase(path);
  return "DPDK refused the telemetry command " + path;
}

void silence_telemetry(const std::string& path) {
  const std::lock_guard lock(mutex);
  if (const auto command = commands().find(path); command != commands().end()) command->second = nullptr;
}

}  // namespace viaduct::net
