// The command line of viaduct-load.
#pragma once

#include <optional>

#include "apps/load/config.h"

namespace viaduct::load {

// What the arguments say; or the exit status of a program that has said what was wrong with them, or its help or
// version.
struct CommandLine {
  std::optional<Config> config;
  int exit_status = 0;
};
CommandLine read_command_line(int argc, const char* const* argv);

}  // namespace viaduct::load
