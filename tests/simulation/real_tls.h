// OpenSSL's TLS in a simulation, with random numbers that repeat.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crypto-offload/tls_session.h"

namespace viaduct::sim {

// For "server.test", with a certificate made once for the whole program; the client trusts that.
// Options without ALPN and, for the server, ticket keys: those are the same for all that the program makes, and so are
// the files where none are given.
std::unique_ptr<crypto::TlsContext> make_real_tls_server(crypto::TlsServerOptions options = {});
std::unique_ptr<crypto::TlsContext> make_real_tls_client(crypto::TlsClientOptions options = {});

// A file with the same certificate and more behind it, 4,000 bytes or more in all.
std::string long_certificate_chain();

// From now on OpenSSL draws its random numbers from the seed, in the whole program, until unseed_openssl().
void seed_openssl(uint64_t seed);
void unseed_openssl();

}  // namespace viaduct::sim
