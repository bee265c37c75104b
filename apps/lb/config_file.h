// The configuration file of viaduct-lb: TOML in, what the program is to do out.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/lb/configuration.h"
#include "apps/settings/port_settings.h"

namespace viaduct::lb {

// Everything that the file says. What a reload can change is `routing`; the rest is what the process was started with.
struct ProgramConfig {
  settings::WorkerSettings workers;
  settings::PortSettings port;
  settings::LogSettings log;
  std::string control_socket;  // its path; empty: none
  bool hand_off = false;       // packets go to the worker of their addresses' hash; for devices that do not spread them
  Configuration routing;
};

// The errors are lines for the operator: file, line, key, what was expected. apps/lb/viaduct-lb.toml explains each key.
std::expected<ProgramConfig, std::vector<std::string>> load_config(const std::string& file);
// The same out of text; `name` stands for the file in messages.
std::expected<ProgramConfig, std::vector<std::string>> parse_config(std::string_view text, const std::string& name);

}  // namespace viaduct::lb
