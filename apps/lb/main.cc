// viaduct-lb: forwards QUIC to the servers that its connection IDs name, on DPDK.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <format>
#include <iostream>

#include "apps/lb/program.h"
#include "apps/lb/telemetry_commands.h"
#include "base/log.h"
#include "pmd-glue/eal.h"

namespace viaduct::lb {
namespace {

struct Options {
  std::string config_file = "/etc/viaduct/lb.toml";
  bool check = false;
  bool explain_placement = false;
  bool list_verdicts = false;
  std::vector<std::string> eal_arguments;
};

int fail(const std::string& what) {
  std::cerr << "viaduct-lb: " << what << '\n';
  return 1;
}

// Signals are for the control thread's sigtimedwait(); threads inherit the mask.
void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int serve(const ProgramConfig& config, const std::string& file) {
  block_signals();
  set_log_level(config.log.level);
  if (!config.log.file.empty() && !set_log_file(config.log.file))
    return fail(std::format("log.file: cannot open '{}'", config.log.file));
  net::EalConfig eal_config = config.port.eal;
  eal_config.control_cpus = plan_workers(config).control_cpus;
  if (eal_config.memory_mb == 0) eal_config.memory_mb = (net::Device::memory_needed(config.port.device) >> 20) + 64;
  auto eal = net::Eal::start(eal_config);
  if (!eal) return fail(eal.error());
  auto program = Program::start(config, file);
  if (!program) return fail(program.error());
  if (const std::string problem = publish_telemetry(**program); !problem.empty()) log_warning("telemetry", problem);
  std::cout << "forwarding for " << (*program)->serving_on() << std::endl;
  (*program)->run();
  hide_telemetry();
  return 0;
}

int run(const Options& options) {
  if (options.list_verdicts) {
    std::cout << list_verdicts();
    return 0;
  }
  auto config = load_config(options.config_file);
  if (!config) {
    for (const std::string& line : config.error()) std::cerr << line << '\n';
    return 2;
  }
  for (const std::string& argument : options.eal_arguments) config->port.eal.extra_arguments.push_back(argument);
  if (options.explain_placement) {
    std::cout << plan_workers(*config).explain();
    return 0;
  }
  if (options.check) {
    std::cout << options.config_file << ": fine\n";
    return 0;
  }
  return serve(*config, options.config_file);
}

// Everything behind "--" is for the EAL.
std::vector<std::string> cut_eal_arguments(int& argc, char** argv) {
  char** const end = argv + argc;
  char** const dashes = std::find(argv, end, std::string_view("--"));
  std::vector<std::string> arguments(dashes == end ? end : dashes + 1, end);
  argc = static_cast<int>(dashes - argv);
  return arguments;
}

int main(int argc, char** argv) {
  Options options;
  options.eal_arguments = cut_eal_arguments(argc, argv);
  CLI::App app{
      "Forwards QUIC to the servers that its connection IDs name, on DPDK.\nWhat follows '--' is handed to DPDK's "
      "EAL."};
  app.set_version_flag("--version", std::string("viaduct-lb ") + VIADUCT_VERSION);
  app.add_option("--config", options.config_file, "The configuration, a TOML file")->capture_default_str();
  app.add_flag("--check", options.check, "Checks the configuration, and exits");
  app.add_flag("--explain-placement", options.explain_placement,
               "Prints which CPUs the workers get and why, and exits");
  app.add_flag("--list-verdicts", options.list_verdicts,
               "Prints what can become of frames (number, name, help, section), and exits");
  CLI11_PARSE(app, argc, argv);
  return run(options);
}

}  // namespace
}  // namespace viaduct::lb

int main(int argc, char** argv) { return viaduct::lb::main(argc, argv); }
