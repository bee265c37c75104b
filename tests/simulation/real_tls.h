// OpenSSL's TLS in a simulation, with random numbers that repeat.
#pragma once

#include <cstdint>
#include <memory>

#include "crypto-offload/tls_session.h"

namespace viaduct::sim {

// For "server.test", with a certificate made once for the whole program; the client trusts that.
std::unique_ptr<crypto::TlsContext> make_real_tls_server();
std::unique_ptr<crypto::TlsContext> make_real_tls_client();

// From now on OpenSSL draws its random numbers from the seed, in the whole program, until unseed_openssl().
void seed_openssl(uint64_t seed);
void unseed_openssl();

}  // namespace viaduct::sim
