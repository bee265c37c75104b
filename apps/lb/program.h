// The running balancer: device, workers, and the control thread that watches over them.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "apps/lb/config_file.h"
#include "apps/lb/handler.h"
#include "apps/lb/link.h"
#include "apps/lb/slow_start.h"
#include "base/hand_off.h"
#include "base/snapshot.h"
#include "base/worker_loop.h"
#include "pmd-glue/device.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/placement.h"
#include "pmd-glue/workers.h"

namespace viaduct::lb {

class ControlPlane;

// The plan of which CPU each worker runs on.
net::Placement plan_workers(const ProgramConfig& config);

// All calls are the control thread's, but those that say otherwise. The control plane works on it (control_plane.h).
class Program {
 public:
  // Makes everything and starts to forward. The EAL must be running and outlive it; signals that stop the program must
  // be blocked. file: what a reload reads again. The error is one sentence.
  static std::expected<std::unique_ptr<Program>, std::string> start(const ProgramConfig& config,
                                                                    const std::string& file);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Forwards until SIGTERM or SIGINT. SIGHUP reads the file again.
  void run();

  // "192.0.2.1:443 and [2001:db8::1]:443".
  std::string serving_on() const;

  // Makes a snapshot of the configuration and gives it to the workers; no packet waits for it. Or says, line by line,
  // what is wrong, and leaves everything as it is. Servers that become active begin their slow start.
  std::vector<std::string> apply(const Configuration& configuration);
  // What apply() would publish, once slow starts are over.
  std::expected<std::unique_ptr<const RoutingSnapshot>, std::vector<std::string>> preview(
      const Configuration& configuration) const;
  // Reads the file again and applies what a running process can change; what operators said since stays.
  std::vector<std::string> reload();
  // Wakes a worker that sleeps.
  void nudge(unsigned worker) { hand_off_->nudge(worker); }

  // What was applied last. Weights are those that were asked for, not those of a slow start.
  const Configuration& configuration() const { return config_.routing; }
  const std::string& file() const { return file_; }
  const ProgramConfig& program_config() const { return config_; }
  // The snapshot that workers read.
  const RoutingSnapshot& routing() const { return *snapshot_.read(); }
  uint64_t reloads() const { return reloads_; }

  struct Worker {
    net::FramePort* port = nullptr;
    std::unique_ptr<Link> link;
    std::unique_ptr<Handler<Link>> handler;
    std::unique_ptr<WorkerLoop<net::FramePort, Handler<Link>>> loop;
  };
  const ControlPlane& control() const { return *control_; }
  // Counters may be read by any thread.
  const std::vector<Worker>& workers() const { return workers_; }
  const net::Device& device() const { return *device_; }

 private:
  Program(const ProgramConfig& config, const std::string& file);
  std::string open_device();
  std::string make_workers();
  std::string make_control();
  std::string start_workers();
  LinkFacts link_facts() const;
  FrameFacts frame_facts(unsigned worker) const;
  std::vector<std::string> publish(const Configuration& configuration);
  void tend();
  void log_figures();
  void stop();

  ProgramConfig config_;
  const std::string file_;
  std::unique_ptr<net::Device> device_;
  std::unique_ptr<net::IpInterface> interface_;
  std::unique_ptr<HandOff> hand_off_;
  std::unique_ptr<IcmpRelay> relay_;  // where the device spreads flows over several workers
  std::unique_ptr<FlowRelay> flows_;  // of several workers
  settings::WallClock wall_;
  Quiescence quiescence_;
  SlotDirectory slots_;
  SlowStart slow_start_;
  Snapshot<RoutingSnapshot> snapshot_{quiescence_};
  std::vector<Worker> workers_;
  std::unique_ptr<ControlPlane> control_;
  std::atomic<bool> stop_{false};
  net::Workers threads_;
  uint64_t reloads_ = 0;
  Instant next_figures_;
};

}  // namespace viaduct::lb
