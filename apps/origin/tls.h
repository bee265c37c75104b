// TLS as the configuration says it, and what of it the workers share.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "apps/origin/config.h"
#include "crypto-offload/replay_window.h"
#include "crypto-offload/ticket_keys.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::origin {

class SharedTls {
 public:
  // Reads what the configuration names. Null with `error` filled for a file that cannot be used.
  static std::unique_ptr<SharedTls> make(const Config& config, std::string& error);

  // A worker's own context. Null with `error` filled.
  std::unique_ptr<crypto::TlsContext> make_context(std::string& error) const {
    return crypto::make_tls_server(options_, error);
  }

  // Reads the certificates anew, for handshakes that begin from now on. False with `error` filled, and nothing changed,
  // where they cannot be used. Control thread.
  bool reload_certificates(std::string& error);
  // Hands them to a worker's context; `seen` is the worker's memory of it, 0 at first. Worker threads.
  void update(crypto::TlsContext& context, uint64_t& seen) const;

 private:
  explicit SharedTls(crypto::TlsServerOptions options) : options_(std::move(options)) {}

  const crypto::TlsServerOptions options_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<std::shared_ptr<const crypto::CertificateStore>> certificates_;
};

}  // namespace viaduct::origin
