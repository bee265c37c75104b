#include "pmd-glue/workers.h"

#include <pthread.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/prctl.h>

#include <atomic>
#include <latch>
#include <memory>

namespace viaduct::net {
namespace {

// The kernel may end a sleep this much later, to save wake-ups; the default is 50 microseconds.
constexpr unsigned long kTimerSlackNs = 1000;

void pin_to(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// A thread starts where its maker is: on the control CPUs, which an unpinned worker is not meant to stay on.
void unpin() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

std::string Workers::start(const Placement& placement, const std::string& name, std::function<void(unsigned)> body) {
  const auto shared_body = std::make_shared<std::function<void(unsigned)>>(std::move(body));
  const size_t count = placement.workers.size();
  const auto registered = std::make_shared<std::latch>(static_cast<ptrdiff_t>(count));
  const auto failures = std::make_shared<std::atomic<unsigned>>(0);
  for (unsigned worker = 0; worker < count; ++worker) {
    threads_.emplace_back([=, cpu = placement.workers[worker].cpu, pinned = placement.pinned] {
      pthread_setname_np(pthread_self(), (name.substr(0, 12) + "-" + std::to_string(worker)).c_str());
      prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
      if (pinned) {
        pin_to(cpu);
      } else {
        unpin();
      }
      const bool known = rte_thread_register() == 0;
      if (!known) ++*failures;
      registered->arrive_and_wait();
      if (*failures == 0) (*shared_body)(worker);
      if (known) rte_thread_unregister();
    });
  }
  registered->wait();
  if (*failures == 0) return "";
  join();
  return "DPDK took in fewer threads than there are workers (it knows " + std::to_string(RTE_MAX_LCORE) + " at most)";
}

void Workers::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace viaduct::net
