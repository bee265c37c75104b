// Starting and stopping DPDK's environment abstraction layer (EAL) from the program's own configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace viaduct::net {

enum class Hugepages {
  kAuto,  // if a hugetlbfs is mounted with enough free pages, else ordinary memory
  kOff,   // ordinary memory
  kOn,    // hugepages, or start() fails
};

struct EalConfig {
  std::string program = "viaduct";
  // Names the runtime folder (telemetry) and the hugepage files; one for each process.
  std::string file_prefix = "viaduct";
  Hugepages hugepages = Hugepages::kAuto;
  // For packet pools and the drivers' queues; 0 takes 256. See Device::memory_needed().
  size_t memory_mb = 0;
  // CPUs of the calling thread, which becomes the main (control) lcore; empty: it stays where it is.
  std::vector<unsigned> control_cpus;
  // PCI addresses that drivers may take; every other PCI device is left alone.
  std::vector<std::string> pci_devices;
  bool telemetry = true;
  // DPDK's own: emergency, alert, critical, error, warning, notice, info, debug.
  std::string log_level = "warning";
  // Handed to EAL behind our own, so that they win.
  std::vector<std::string> extra_arguments;
};

// The running EAL. One per process and once in its life: DPDK cannot start a second time.
class Eal {
 public:
  // The error is one sentence for the operator, with a hint.
  static std::expected<Eal, std::string> start(const EalConfig& config);
  Eal(Eal&& other) noexcept
      : running_(std::exchange(other.running_, false)),
        hugepages_(other.hugepages_),
        dumpcap_(other.dumpcap_),
        prefix_(std::move(other.prefix_)) {}
  Eal& operator=(Eal&&) = delete;
  // Stops the EAL and removes its hugepage files and its runtime folder. Devices and worker threads must have gone
  // before.
  ~Eal();

  bool uses_hugepages() const { return hugepages_; }
  // True where dpdk-dumpcap can attach (hugepages in the shared mode).
  bool allows_dumpcap() const { return dumpcap_; }
  const std::string& file_prefix() const { return prefix_; }
  // Where telemetry's socket and the runtime files are.
  static std::string runtime_folder();
  // Of the time-stamp counter, which is not the core's clock. While the EAL runs.
  static uint64_t cycles_per_second();

 private:
  Eal() = default;
  bool running_ = false;
  bool hugepages_ = false;
  bool dumpcap_ = false;
  std::string prefix_;
};

}  // namespace viaduct::net
