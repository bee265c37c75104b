// What handshakes are compared with: two of OpenSSL's objects joined in memory, with nothing of ours between them.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace viaduct::perf {

// The transport parameters of both sides.
inline constexpr uint8_t kParameters[] = {4, 4, 0x80, 0x10, 0, 0};

class BareTls {
 public:
  // groups: what the client offers, in OpenSSL's names.
  BareTls(const std::string& certificate_file, const std::string& key_file, const std::string& groups);

  // One handshake up to and with the ticket, resumed where a ticket was kept. Returns the nanoseconds that the server
  // took from its object's creation to its end.
  double handshake();
  // Keeps a ticket of a handshake that this makes.
  void keep_ticket();

 private:
  struct Side;
  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct SessionFree {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };

  std::unique_ptr<SSL_CTX, ContextFree> server_;
  std::unique_ptr<SSL_CTX, ContextFree> client_;
  std::unique_ptr<SSL_SESSION, SessionFree> last_;  // that the client was given
  std::unique_ptr<SSL_SESSION, SessionFree> kept_;
};

}  // namespace viaduct::perf
