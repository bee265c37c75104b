// A TLS for tests: the messages, levels and secrets of TLS 1.3 in QUIC, without its public-key work. Fast, the same
// for the same seed, and not secure at all: whoever sees the handshake can compute the keys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto-offload/tls_session.h"

namespace viaduct::test {

struct TestTlsOptions {
  std::vector<std::string> alpn = {"test"};      // in order of preference; no overlap: no_application_protocol (120)
  crypto::Aead aead = crypto::Aead::kAes128Gcm;  // the server's choice
  // Sizes of real ones, in bytes; a message is padded up to them. A ClientHello with a post-quantum key share has
  // about 1,500 bytes, a certificate flight 600 to 9,000.
  size_t client_hello_size = 300;
  size_t server_hello_size = 90;
  size_t server_flight_size = 900;  // EncryptedExtensions to Finished
  uint64_t seed = 1;                // of the nonces
  // Faults: the server answers the ClientHello with this alert; sessions send no transport parameters.
  std::optional<uint8_t> refuse_with_alert;
  bool omit_transport_parameters = false;
};

// Serves as both client and server; sessions may outlive it. Tickets are not made, `session` is ignored.
std::unique_ptr<crypto::TlsContext> make_test_tls(const TestTlsOptions& options = {});

}  // namespace viaduct::test
