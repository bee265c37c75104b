// Certificates and keys from files, with errors that name the file and what is wrong with it.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace viaduct::crypto {

// False with `error` filled. The chain is leaf first; the key must be the leaf's and not be encrypted.
bool load_certificate(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file,
                      std::string& error);
// Trusts the certificates of `file`, or the system's where it is empty.
bool load_authorities(SSL_CTX* context, const std::string& file, std::string& error);

// The reason on top of OpenSSL's error queue, which is emptied.
std::string openssl_reason();

}  // namespace viaduct::crypto
