// viaduct-origin: serves the files below a folder over HTTP/3, on DPDK.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <format>
#include <iostream>

#include "apps/origin/capture_command.h"
#include "apps/origin/config.h"
#include "apps/origin/program.h"
#include "apps/origin/telemetry_commands.h"
#include "apps/origin/tls.h"
#include "apps/origin/verdict_list.h"
#include "apps/settings/program_start.h"
#include "base/huge_page_memory.h"
#include "base/log.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::origin {
namespace {

struct Options : settings::StartOptions {
  std::string self_signed_name;
  std::vector<std::string> eal_arguments;
  CaptureOptions capture;
};

int fail_start(const std::string& what) {
  std::cerr << "viaduct-origin: " << what << '\n';
  return 1;
}

// Makes the certificate that the configuration names, if neither it nor its key is there.
std::string ensure_certificate(const Config& config, const std::string& name) {
  namespace fs = std::filesystem;
  if (name.empty() || (fs::exists(config.certificate_file) && fs::exists(config.key_file))) return {};
  if (fs::exists(config.certificate_file) || fs::exists(config.key_file))
    return std::format("only one of {} and {} is there; --self-signed makes both or none", config.certificate_file,
                       config.key_file);
  std::string error;
  return crypto::make_self_signed(name, config.certificate_file, config.key_file, error) ? "" : error;
}

// What a start would stumble over, as far as it can be known without one.
std::string check_files(const Config& config, bool may_make_certificate) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(config.content.root))
    return std::format("content.root: '{}' is not a folder", config.content.root);
  if (may_make_certificate && !fs::exists(config.certificate_file) && !fs::exists(config.key_file)) return {};
  std::string error;
  return SharedTls::make(config, error) ? "" : "tls: " + error;
}

int serve(const Config& config) {
  settings::block_signals();
  if (const std::string problem = settings::start_log(config.log_level, config.log_file); !problem.empty())
    return fail_start(problem);
  net::EalConfig eal_config = config.eal;
  eal_config.control_cpus = plan_workers(config).control_cpus;
  auto eal = settings::start_eal(eal_config, config.device);
  if (!eal) return fail_start(eal.error());
  use_huge_pages();
  auto program = Program::start(config);
  if (!program) return fail_start(program.error());
  if (const std::string problem = publish_telemetry(**program); !problem.empty()) log_warning("telemetry", problem);
  std::cout << "serving on " << (*program)->serving_on() << std::endl;
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
  for (const std::string& argument : options.eal_arguments) config->eal.extra_arguments.push_back(argument);
  if (options.explain_placement) {
    std::cout << plan_workers(*config).explain();
    if (config->handshake_workers > 0)
      std::cout << std::format("workers from {} on do handshakes for the others\n", config->workers);
    return 0;
  }
  if (const std::string problem = check_files(*config, !options.self_signed_name.empty()); !problem.empty())
    return fail_start(std::format("{}: {}", options.config_file, problem));
  if (options.check) {
    std::cout << options.config_file << ": fine\n";
    return 0;
  }
  if (const std::string problem = ensure_certificate(*config, options.self_signed_name); !problem.empty())
    return fail_start(problem);
  return serve(*config);
}

int main(int argc, char** argv) {
  Options options;
  options.config_file = "/etc/viaduct/origin.toml";
  options.eal_arguments = settings::cut_eal_arguments(argc, argv);
  CLI::App app{"Serves the files below a folder over HTTP/3, on DPDK.\nWhat follows '--' is handed to DPDK's EAL."};
  app.set_version_flag("--version", std::string("viaduct-origin ") + VIADUCT_VERSION);
  settings::add_start_options(app, options);
  app.add_option("--self-signed", options.self_signed_name,
                 "Makes the certificate for this name, if the files that the configuration names are not there");
  CLI::App* capture = app.add_subcommand("capture", "Writes the frames of a running origin to a pcapng file");
  capture->add_option("--prefix", options.capture.prefix, "eal.file_prefix of the running origin")
      ->capture_default_str();
  capture->add_option("--seconds", options.capture.seconds, "How long")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  capture->add_option("--output", options.capture.output, "The file")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return capture->parsed() ? run_capture(options.capture) : run(options);
}

}  // namespace
}  // namespace viaduct::origin

int main(int argc, char** argv) { return viaduct::origin::main(argc, argv); }
