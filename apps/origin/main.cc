// viaduct-origin: serves the files below a folder over HTTP/3, on DPDK.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <format>
#include <iostream>

#include "apps/origin/capture_command.h"
#include "apps/origin/config.h"
#include "apps/origin/program.h"
#include "apps/origin/telemetry_commands.h"
#include "apps/origin/tls.h"
#include "apps/origin/verdict_list.h"
#include "base/log.h"
#include "crypto-offload/tls_session.h"
#include "pmd-glue/eal.h"

namespace viaduct::origin {
namespace {

struct Options {
  std::string config_file = "/etc/viaduct/origin.toml";
  bool check = false;
  bool explain_placement = false;
  bool list_verdicts = false;
  std::string self_signed_name;
  std::vector<std::string> eal_arguments;
  CaptureOptions capture;
};

int fail(const std::string& what) {
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

// Signals are for the control thread's sigtimedwait(); threads inherit the mask.
void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int serve(const Config& config) {
  block_signals();
  set_log_level(config.log_level);
  if (!config.log_file.empty() && !set_log_file(config.log_file))
    return fail(std::format("log.file: cannot open '{}'", config.log_file));
  net::EalConfig eal_config = config.eal;
  eal_config.control_cpus = plan_workers(config).control_cpus;
  if (eal_config.memory_mb == 0) eal_config.memory_mb = (net::Device::memory_needed(config.device) >> 20) + 64;
  auto eal = net::Eal::start(eal_config);
  if (!eal) return fail(eal.error());
  auto program = Program::start(config);
  if (!program) return fail(program.error());
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
    return fail(std::format("{}: {}", options.config_file, problem));
  if (options.check) {
    std::cout << options.config_file << ": fine\n";
    return 0;
  }
  if (const std::string problem = ensure_certificate(*config, options.self_signed_name); !problem.empty())
    return fail(problem);
  return serve(*config);
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
  CLI::App app{"Serves the files below a folder over HTTP/3, on DPDK.\nWhat follows '--' is handed to DPDK's EAL."};
  app.set_version_flag("--version", std::string("viaduct-origin ") + VIADUCT_VERSION);
  app.add_option("--config", options.config_file, "The configuration, a TOML file")->capture_default_str();
  app.add_flag("--check", options.check, "Checks the configuration and what it names, and exits");
  app.add_option("--self-signed", options.self_signed_name,
                 "Makes the certificate for this name, if the files that the configuration names are not there");
  app.add_flag("--explain-placement", options.explain_placement,
               "Prints which CPUs the workers get and why, and exits");
  app.add_flag("--list-verdicts", options.list_verdicts,
               "Prints what can become of frames and requests (number, name, help, section), and exits");
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
