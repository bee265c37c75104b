// viaduct-lb: forwards QUIC to the servers that its connection IDs name, on DPDK.
#include <CLI/CLI.hpp>
#include <iostream>

#include "apps/lb/program.h"
#include "apps/lb/telemetry_commands.h"
#include "apps/settings/program_start.h"
#include "base/log.h"

namespace viaduct::lb {
namespace {

int fail(const std::string& what) {
  std::cerr << "viaduct-lb: " << what << '\n';
  return 1;
}

int serve(const ProgramConfig& config, const std::string& file) {
  settings::block_signals();
  if (const std::string problem = settings::start_log(config.log.level, config.log.file); !problem.empty())
    return fail(problem);
  net::EalConfig eal_config = config.port.eal;
  eal_config.control_cpus = plan_workers(config).control_cpus;
  auto eal = settings::start_eal(eal_config, config.port.device);
  if (!eal) return fail(eal.error());
  auto program = Program::start(config, file);
  if (!program) return fail(program.error());
  if (const std::string problem = publish_telemetry(**program); !problem.empty()) log_warning("telemetry", problem);
  std::cout << "forwarding for " << (*program)->serving_on() << std::endl;
  (*program)->run();
  hide_telemetry();
  return 0;
}

int run(const settings::StartOptions& options, const std::vector<std::string>& eal_arguments) {
  if (options.list_verdicts) {
    std::cout << list_verdicts();
    return 0;
  }
  auto config = load_config(options.config_file);
  if (!config) {
    for (const std::string& line : config.error()) std::cerr << line << '\n';
    return 2;
  }
  for (const std::string& argument : eal_arguments) config->port.eal.extra_arguments.push_back(argument);
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

int main(int argc, char** argv) {
  settings::StartOptions options{.config_file = "/etc/viaduct/lb.toml"};
  const std::vector<std::string> eal_arguments = settings::cut_eal_arguments(argc, argv);
  CLI::App app{
      "Forwards QUIC to the servers that its connection IDs name, on DPDK.\nWhat follows '--' is handed to DPDK's "
      "EAL."};
  app.set_version_flag("--version", std::string("viaduct-lb ") + VIADUCT_VERSION);
  settings::add_start_options(app, options);
  CLI11_PARSE(app, argc, argv);
  return run(options, eal_arguments);
}

}  // namespace
}  // namespace viaduct::lb

int main(int argc, char** argv) { return viaduct::lb::main(argc, argv); }
