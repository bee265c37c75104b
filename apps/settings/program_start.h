// What the programs do alike on their way to running workers, and to be told to stop.
#pragma once

#include <csignal>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/log.h"
#include "pmd-glue/device.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/ip_interface.h"

namespace CLI {
class App;
}

namespace viaduct::settings {

// The options of a program that has a configuration file.
struct StartOptions {
  std::string config_file;
  bool check = false;
  bool explain_placement = false;
  bool list_verdicts = false;
};
void add_start_options(CLI::App& app, StartOptions& options);

// What stands behind "--" on a command line is for the EAL: it is cut off and returned.
std::vector<std::string> cut_eal_arguments(int& argc, char** argv);

// SIGTERM, SIGINT and SIGHUP are for next_signal(), SIGPIPE is for nobody. Threads inherit that: before the EAL starts
// any.
void block_signals();
// The next of the three, waited for at most `longest`; none: 0 or less. Control thread.
int next_signal(Duration longest);

// Opens the log; what is wrong, or nothing.
std::string start_log(LogLevel level, const std::string& file);

// Starts the EAL with room for the device's packets where the configuration gives no size.
std::expected<net::Eal, std::string> start_eal(net::EalConfig config, const net::DeviceConfig& device);

// Opens the device and puts its addresses on it; what is wrong, or nothing.
std::string open_port(const net::DeviceConfig& config, const net::IpInterfaceConfig& addresses,
                      std::unique_ptr<net::Device>& device, std::unique_ptr<net::IpInterface>& interface);

}  // namespace viaduct::settings
