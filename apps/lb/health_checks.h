// Asks the servers of the pools that want it, and takes those out that do not answer well.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/lb/controller.h"
#include "apps/lb/health_channel.h"
#include "apps/lb/health_monitor.h"
#include "apps/lb/http3_prober.h"

namespace viaduct::lb {

// Control thread.
class HealthChecks {
 public:
  // channels: of all workers; questions go to the first, answers may come to any. nudge() wakes the first worker.
  HealthChecks(Controller& controller, ControlTarget& target, std::vector<HealthChannel*> channels,
               std::function<void()> nudge, Random random);

  // Sends what is due, takes what came, changes states. Some ten times a second, and every few milliseconds while
  // is_talking().
  void tend();
  // Connections to servers are open: what they say should not wait.
  bool is_talking() const;
  const HealthMonitor& monitor() const { return monitor_; }

 private:
  // Who asks a pool's servers by HTTP/3; where that cannot be, why.
  struct Asker {
    std::unique_ptr<Http3Prober> prober;
    std::string problem;
    Http3Question question;
    Duration timeout;
    uint32_t most = 0;
  };
  // A local port's last connection: where its datagrams go, and whose they are.
  struct Line {
    uint16_t slot = kNoSlot;
    std::string pool;
    uint64_t token = 0;
    Instant busy_until;  // before then, its connection may have something to say
  };

  void follow_routing();
  void follow_pool(const PoolConfig& pool, std::map<std::string, Asker>& askers);
  void take_datagrams();
  void talk();
  void ask();
  bool ask_by_packet(const HealthMonitor::Question& question);
  void ask_by_request(const HealthMonitor::Question& question, const std::string& pool, Asker& asker);
  void withdraw_questions(const Asker& asker);
  std::optional<size_t> find_free_line();
  void free_line_of(uint64_t token);
  void report();

  Controller& controller_;
  ControlTarget& target_;
  const std::vector<HealthChannel*> channels_;
  const std::function<void()> nudge_;
  HealthMonitor monitor_;
  Instant now_;                               // of this tend()
  uint64_t serial_ = 0;                       // of the snapshot whose servers are watched
  uint64_t reloads_ = 0;                      // of the file that says so
  std::map<std::string, std::string> pools_;  // of servers that are asked by HTTP/3, by the servers' names
  std::map<std::string, Asker> askers_;       // by pool
  // Ports go round, so that one rests for long before its next connection.
  std::array<Line, kLastConnectionPort - kFirstConnectionPort + 1> lines_;
  size_t next_line_ = 0;
  Instant next_warning_;  // that there is none
};

}  // namespace viaduct::lb
