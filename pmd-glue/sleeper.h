// How a worker waits when there is nothing to do, and how it is woken.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/instant.h"

namespace viaduct::net {

// Waits on the driver's socket where there is one, else in sleeps that grow from 1 to 1,000 microseconds with the
// time since there was work. wake() is never lost: it ends the wait under way or the next one.
class Sleeper {
 public:
  // rx_socket: a descriptor that turns readable when frames arrive, or -1.
  Sleeper(int rx_socket, bool always_poll);
  ~Sleeper();
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // The worker's: there was work, so that the next waits are short.
  void note_work() { idle_since_ = Instant::never(); }
  // The worker's: sleeps until frames came, wake(), or the deadline; may return early.
  void wait(Instant deadline);
  // Any thread.
  void wake();

 private:
  void sleep(Duration longest);

  const int rx_socket_;
  const bool always_poll_;
  int wake_event_;
  Instant idle_since_ = Instant::never();
  alignas(64) std::atomic<bool> woken_{false};
  std::atomic<bool> sleeping_{false};
};

}  // namespace viaduct::net
