#include "apps/settings/program_start.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <format>
#include <string_view>

namespace viaduct::settings {
namespace {

sigset_t awaited_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void add_start_options(CLI::App& app, StartOptions& options) {
  app.add_option("--config", options.config_file, "The configuration, a TOML file")->capture_default_str();
  app.add_flag("--check", options.check, "Checks the configuration and what it names, and exits");
  app.add_flag("--explain-placement", options.explain_placement,
               "Prints which CPUs the workers get and why, and exits");
  app.add_flag("--list-verdicts", options.list_verdicts,
               "Prints what can become of frames and requests (number, name, help, section), and exits");
}

std::vector<std::string> cut_eal_arguments(int& argc, char** argv) {
  char** const end = argv + argc;
  char** const dashes = std::find(argv, end, std::string_view("--"));
  std::vector<std::string> arguments(dashes == end ? end : dashes + 1, end);
  argc = static_cast<int>(dashes - argv);
  return arguments;
}

void block_signals() {
  const sigset_t signals = awaited_signals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int next_signal(Duration longest) {
  const sigset_t signals = awaited_signals();
  const timespec timeout{.tv_sec = longest.ns() / 1'000'000'000, .tv_nsec = longest.ns() % 1'000'000'000};
  return sigtimedwait(&signals, nullptr, &timeout);
}

std::string start_log(LogLevel level, const std::string& file) {
  set_log_level(level);
  if (file.empty() || set_log_file(file)) return {};
  return std::format("log.file: cannot open '{}'", file);
}

std::expected<net::Eal, std::string> start_eal(net::EalConfig config, const net::DeviceConfig& device) {
  constexpr size_t kForTheRestMb = 64;
  if (config.memory_mb == 0) config.memory_mb = (net::Device::memory_needed(device) >> 20) + kForTheRestMb;
  return net::Eal::start(config);
}

std::string open_port(const net::DeviceConfig& config, const net::IpInterfaceConfig& addresses,
                      std::unique_ptr<net::Device>& device, std::unique_ptr<net::IpInterface>& interface) {
  auto opened = net::Device::open(config);
  if (!opened) return opened.error();
  device = std::make_unique<net::Device>(std::move(*opened));
  auto made = net::IpInterface::make(addresses, *device);
  if (!made) return made.error();
  interface = std::move(*made);
  return {};
}

}  // namespace viaduct::settings
