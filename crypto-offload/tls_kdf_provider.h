// TLS 1.3's key derivation for OpenSSL, without what OpenSSL's own does around the hash.
#pragma once

namespace viaduct::crypto {

// A property query for SSL_CTX_new_ex(), in OpenSSL's default library context, by which handshakes derive their keys
// with HmacKey. A handshake has some twenty-four derivations; OpenSSL's own code for one takes two to three times as
// long, so that a server's whole part of a handshake with X25519 takes 7 to 9 % less this way. Null where the provider
// cannot be loaded; OpenSSL's own does the work then. Any thread.
const char* tls_kdf_query();

}  // namespace viaduct::crypto
