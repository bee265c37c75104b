// Handshake workers: threads that do the TLS work of packet workers, so that no packet waits behind a signature.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "crypto-offload/handshake_link.h"
#include "crypto-offload/remote_tls.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {

// Packet workers and handshake workers share nothing but a pair of rings for each two of them. A session lives with one
// handshake worker; the packet worker has a stand-in for it.
class HandshakePool {
 public:
  // Called by a handshake worker once it has said something to a packet worker, which may sleep.
  using Nudge = std::function<void(unsigned worker)>;

  // contexts: one for each handshake worker, at least one; each is then that worker's alone. workers: of packets.
  // sessions: that each of those has at a time, at most.
  HandshakePool(std::vector<std::unique_ptr<TlsContext>> contexts, unsigned workers, size_t sessions, Nudge nudge);
  ~HandshakePool();
  HandshakePool(const HandshakePool&) = delete;
  HandshakePool& operator=(const HandshakePool&) = delete;

  // For a packet worker: makes stand-ins. The pool outlives it. Once for each worker.
  std::unique_ptr<RemoteTlsContext> context_for(unsigned worker);

  // One request of each packet worker; false where there was none. Of the thread that is handshake worker `index`.
  bool run_once(unsigned index);
  // The same until stop is true, asleep where there is nothing to do. Who sets it calls wake() afterwards.
  void run(unsigned index, const std::atomic<bool>& stop);
  void wake();

  unsigned size() const { return static_cast<unsigned>(workers_.size()); }
  // Requests that were worked off; any thread.
  uint64_t steps() const;

 private:
  class Worker;

  std::vector<std::unique_ptr<Worker>> workers_;
  size_t sessions_;
};

}  // namespace viaduct::crypto
