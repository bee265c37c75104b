// The running origin: device, workers, loader, and the control thread that watches over them.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apps/origin/config.h"
#include "apps/origin/content_loader.h"
#include "apps/origin/handler.h"
#include "base/hand_off.h"
#include "base/snapshot.h"
#include "base/worker_loop.h"
#include "crypto-offload/handshake_pool.h"
#include "pmd-glue/capture.h"
#include "pmd-glue/device.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/placement.h"
#include "pmd-glue/udp_port.h"
#include "pmd-glue/workers.h"

namespace viaduct::origin {

// The plan of which CPU each worker runs on, handshake workers last.
net::Placement plan_workers(const Config& config);

class Program {
 public:
  // Makes everything and starts to serve. The EAL must be running and outlive it; signals that stop the program must
  // be blocked. The error is one sentence. Control thread.
  static std::expected<std::unique_ptr<Program>, std::string> start(const Config& config);
  // Everything must have been stop()ped.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Serves until SIGTERM or SIGINT, then lets requests finish, up to Config::drain_limit or a second signal. SIGHUP
  // reads the certificates and the file's [quic_lb] again.
  void run();

  // "198.18.0.1:443 and [2001:db8::1]:443".
  std::string serving_on() const;

  // --- for telemetry; any thread ---
  struct Worker {
    std::unique_ptr<net::UdpPort> port;
    std::unique_ptr<StageMeter> meter;
    std::unique_ptr<OriginHandler> handler;
    const crypto::RemoteTlsContext* handshakes = nullptr;  // where handshake workers do its TLS
    std::unique_ptr<WorkerLoop<net::UdpPort, OriginHandler>> loop;
  };
  const std::vector<Worker>& workers() const { return workers_; }
  const net::Device& device() const { return *device_; }
  const ContentLoader& loader() const { return *loader_; }
  // Null where workers do their own TLS.
  const crypto::HandshakePool* handshake_pool() const { return handshake_pool_.get(); }
  const Config& config() const { return config_; }

  // A capture that somebody asked for. The control thread carries it out.
  struct CaptureRequest {
    std::string file;
    unsigned seconds = 0;
  };
  // False where one is under way.
  bool request_capture(const CaptureRequest& request);
  struct CaptureState {
    bool is_running = false;
    std::string error;
    uint64_t written = 0, dropped = 0;
  };
  CaptureState capture_state();

 private:
  explicit Program(const Config& config) : config_(config) {}
  std::string open_device();
  std::string make_workers();
  std::string make_handshake_workers();
  std::unique_ptr<crypto::TlsContext> make_worker_tls(unsigned index, Worker& worker, std::string& error);
  void run_thread(unsigned index);
  std::string start_workers();
  void set_phase(SharedState::Phase phase);
  bool wait_for_signal(Duration longest);
  template <class Done>
  bool wait_until(Duration longest, Done&& done);
  void drain();
  void stop();
  void tend();
  void reload();
  void change_identity(const Config& config);
  void change_retry_keys(const Config& config);
  void tend_capture();
  std::string start_qlog();
  void log_figures();

  Config config_;
  SharedState shared_;
  std::unique_ptr<net::Device> device_;
  std::unique_ptr<net::IpInterface> interface_;
  std::unique_ptr<ContentLoader> loader_;
  std::unique_ptr<HandOff> hand_off_;
  Quiescence quiescence_;
  std::unique_ptr<crypto::HandshakePool> handshake_pool_;
  std::unique_ptr<QlogFiles> qlog_;
  std::vector<Worker> workers_;
  std::atomic<bool> stop_{false};
  net::Workers threads_;
  bool is_clean_ = true;

  std::mutex capture_mutex_;
  std::unique_ptr<CaptureRequest> capture_request_;
  CaptureState capture_state_;
  std::unique_ptr<net::Capture> capture_;
  Instant capture_end_;
  Instant next_figures_;
};

}  // namespace viaduct::origin
