// What the programs' files have in common: the network device, DPDK's environment, the log.
#pragma once

#include <string>

#include "apps/settings/table_reader.h"
#include "base/log.h"
#include "base/worker_loop.h"
#include "pmd-glue/device_config.h"
#include "pmd-glue/eal.h"
#include "pmd-glue/ip_interface.h"

namespace viaduct::settings {

struct PortSettings {
  net::DeviceConfig device;
  net::IpInterfaceConfig addresses;
  net::EalConfig eal;
};

// [[port]], of which there is one.
void read_port(TableReader& top, PortSettings& settings);
// [eal].
void read_eal(TableReader& top, net::EalConfig& eal);

// `workers`, `idle` and `pin` at the file's top.
struct WorkerSettings {
  unsigned workers = 1;
  bool pin_always = false;
  bool pin_never = false;
  IdlePolicy idle = IdlePolicy::kAdaptive;
};
// The device gets a queue for each worker and its idle policy. After read_port().
void read_workers(TableReader& top, WorkerSettings& workers, net::DeviceConfig& device);

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  std::string file;
  Duration interval;  // of a line of figures; 0: none
};
// [log].
void read_log(TableReader& top, LogSettings& log);

}  // namespace viaduct::settings
