// The commands under /viaduct/ by which a program tells of itself over DPDK's telemetry socket.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "pmd-glue/telemetry.h"

namespace viaduct::settings {

// DPDK never forgets a command and calls it from a thread of its own, so commands look here for whom to ask.
template <class Program>
class TelemetryCommands {
 public:
  using Teller = void (*)(Program&, std::string_view parameter, net::TelemetryAnswer&);
  struct Command {
    const char* name;
    const char* help;
    Teller tell;
  };

  // After the EAL's start; `program` stays until hide(). What is wrong, or nothing.
  static std::string publish(Program& program, std::span<const Command> commands) {
    set(&program);
    for (const Command& command : commands) {
      const auto run = [tell = command.tell](std::string_view parameter, net::TelemetryAnswer& answer) {
        const std::lock_guard lock(mutex_);
        if (published_) tell(*published_, parameter, answer);
      };
      std::string problem = net::register_telemetry(std::string("/viaduct/") + command.name, command.help, run);
      if (!problem.empty()) return problem;
    }
    return {};
  }
  static void hide() { set(nullptr); }

 private:
  static void set(Program* program) {
    const std::lock_guard lock(mutex_);
    published_ = program;
  }

  inline static std::mutex mutex_;
  inline static Program* published_ = nullptr;
};

}  // namespace viaduct::settings
