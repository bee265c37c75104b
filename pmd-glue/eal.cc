#include "pmd-glue/eal.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pdump.h>
#include <sched.h>

#include <atomic>
#include <cstring>
#include <filesystem>

#include "pmd-glue/hugepages.h"
#include "pmd-glue/lcore_usage.h"

namespace viaduct::net {
namespace {

constexpr size_t kDefaultMemoryMb = 256;

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// One lcore, for the calling thread; workers register theirs later.
std::string main_lcore(const std::vector<unsigned>& wanted) {
  std::string list;
  for (const unsigned cpu : wanted.empty() ? allowed_cpus() : wanted) {
    list += (list.empty() ? "" : ",") + std::to_string(cpu);
  }
  return "0@(" + list + ")";
}

bool has_enough(const std::vector<HugepageMount>& mounts, size_t bytes) {
  size_t free = 0;
  for (const HugepageMount& mount : mounts) free += mount.free_bytes;
  return free >= bytes;
}

std::vector<std::string> arguments_of(const EalConfig& config, size_t memory_mb, bool hugepages) {
  std::vector<std::string> arguments = {config.program,
                                        "--lcores=" + main_lcore(config.control_cpus),
                                        "--file-prefix=" + config.file_prefix,
                                        "--log-level=" + config.log_level,
                                        "-m",
                                        std::to_string(memory_mb)};
  if (!hugepages) arguments.push_back("--no-huge");
  if (!config.telemetry) arguments.push_back("--no-telemetry");
  if (config.pci_devices.empty()) arguments.push_back("--no-pci");
  for (const std::string& address : config.pci_devices) arguments.insert(arguments.end(), {"-a", address});
  arguments.insert(arguments.end(), config.extra_arguments.begin(), config.extra_arguments.end());
  return arguments;
}

std::string failure_text(int error) {
  std::string text = std::string("DPDK could not start: ") + rte_strerror(error);
  switch (error) {
    case EALREADY:
      return text + "; it can start only once in a process";
    case EACCES:
    case EPERM:
      return text + "; run as root, or without PCI devices and hugepages";
    case ENOMEM:
      return text + "; is there as much free memory as configured?";
    case EAGAIN:
      return text + "; does another process use the same file prefix?";
    case EINVAL:
      return text + "; are the extra EAL arguments right? (log level \"debug\" shows more)";
    default:
      return text;
  }
}

}  // namespace

std::expected<Eal, std::string> Eal::start(const EalConfig& config) {
  static std::atomic<bool> started{false};
  if (started.exchange(true)) return std::unexpected(failure_text(EALREADY));
  const size_t memory_mb = config.memory_mb == 0 ? kDefaultMemoryMb : config.memory_mb;
  const std::vector<HugepageMount> mounts = hugepage_mounts();
  for (const HugepageMount& mount : mounts) remove_stale_hugepages(mount.folder, config.file_prefix);
  const bool hugepages = config.hugepages != Hugepages::kOff && has_enough(hugepage_mounts(), memory_mb << 20);
  if (config.hugepages == Hugepages::kOn && !hugepages) {
    return std::unexpected("there are not " + std::to_string(memory_mb) +
                           " MB of free hugepages on a mounted hugetlbfs; reserve them (sysctl vm.nr_hugepages) or let "
                           "hugepages be \"auto\"");
  }

  std::vector<std::string> arguments = arguments_of(config, memory_mb, hugepages);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(arguments.size()), argv.data()) < 0) {
    return std::unexpected(failure_text(rte_errno));
  }
  Eal eal;
  eal.running_ = true;
  eal.hugepages_ = hugepages;
  eal.prefix_ = config.file_prefix;
  register_lcore_usage();
  eal.dumpcap_ = hugepages && rte_pdump_init() == 0;
  return eal;
}

Eal::~Eal() {
  if (!running_) return;
  if (dumpcap_) rte_pdump_uninit();
  const std::string folder = runtime_folder();
  rte_eal_cleanup();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!hugepages_) return;
  for (const HugepageMount& mount : hugepage_mounts()) remove_stale_hugepages(mount.folder, prefix_);
}

std::string Eal::runtime_folder() { return rte_eal_get_runtime_dir(); }
uint64_t Eal::cycles_per_second() { return rte_get_tsc_hz(); }

}  // namespace viaduct::net
