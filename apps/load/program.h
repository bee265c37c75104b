// The running load generator: device, workers, and the control thread that says when what begins.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "apps/load/config.h"
#include "apps/load/handler.h"
#include "apps/load/results.h"
#include "base/hand_off.h"
#include "base/snapshot.h"
#include "base/worker_loop.h"
#include "pmd-glue/device.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/udp_port.h"
#include "pmd-glue/workers.h"

namespace viaduct::load {

class Program {
 public:
  // Makes everything and starts the workers. The EAL must be running; SIGINT and SIGTERM must be blocked. The error is
  // one sentence. Control thread.
  static std::expected<std::unique_ptr<Program>, std::string> start(const Config& config);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  // run() must have returned.
  ~Program() = default;

  // From the first handshake to the last goodbye. SIGINT and SIGTERM end it early, with the results up to then.
  Results run();
  // After run().
  const std::vector<Driver::Fetched>& fetched() const { return workers_.front().handler->driver().fetched(); }

 private:
  struct Worker {
    std::unique_ptr<net::UdpPort> port;
    std::unique_ptr<StageMeter> meter;
    std::unique_ptr<LoadHandler> handler;
    std::unique_ptr<WorkerLoop<net::UdpPort, LoadHandler>> loop;
  };

  explicit Program(const Config& config) : config_(config) {}
  std::string open_device();
  std::string make_workers();
  std::string start_workers();
  void set_phase(Phase phase);
  bool all_workers(bool (Driver::*state)() const) const;
  // Waits until `done`; false where the time was over or a signal came before. Prints progress meanwhile.
  template <class Done>
  bool wait(Duration longest, Done&& done);
  Totals totals() const;
  void print_progress();
  void end();

  Config config_;
  Shared shared_;
  std::unique_ptr<net::Device> device_;
  std::unique_ptr<net::IpInterface> interface_;
  std::unique_ptr<HandOff> hand_off_;
  Quiescence quiescence_;
  std::vector<Worker> workers_;
  std::atomic<bool> stop_{false};
  net::Workers threads_;
  bool was_interrupted_ = false;
  Instant began_;
  Totals last_shown_;
};

}  // namespace viaduct::load
