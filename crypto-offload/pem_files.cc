#include "crypto-offload/pem_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace viaduct::crypto {
namespace {

// What to say of a file that cannot be read; empty for one that can.
std::string trouble_reading(const std::string& file) {
  const std::unique_ptr<FILE, int (*)(FILE*)> opened(std::fopen(file.c_str(), "r"), &std::fclose);
  if (!opened) return std::strerror(errno);
  if (std::fgetc(opened.get()) == EOF) return std::ferror(opened.get()) != 0 ? std::strerror(errno) : "is empty";
  return {};
}

std::string describe(const char* what, const std::string& file, const std::string& trouble) {
  return std::string(what) + " " + (file.empty() ? "(none given)" : file) + ": " + trouble;
}

// Says no where OpenSSL would ask the terminal for a passphrase.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

bool load_key(SSL_CTX* context, const std::string& certificate_file, const std::string& file, std::string& error) {
  static constexpr const char* kWhat = "private key file";
  if (const std::string trouble = trouble_reading(file); !trouble.empty()) {
    return error = describe(kWhat, file, trouble), false;
  }
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(context, &no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
  const bool loaded = SSL_CTX_use_PrivateKey_file(context, file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (loaded) return true;
  const unsigned long code = ERR_peek_last_error();
  if (asked) {
    error = describe(kWhat, file, "is encrypted; a key without a passphrase is expected");
  } else if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
    error = describe(kWhat, file, "is not the key of the certificate in " + certificate_file);
  } else if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH) {
    error = describe(kWhat, file, "is of another kind than the certificate in " + certificate_file);
  } else {
    error = describe(kWhat, file, "no private key in PEM (" + openssl_reason() + ")");
  }
  ERR_clear_error();
  return false;
}

}  // namespace

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

bool load_certificate(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file,
                      std::string& error) {
  static constexpr const char* kWhat = "certificate file";
  ERR_clear_error();
  if (const std::string trouble = trouble_reading(certificate_file); !trouble.empty()) {
    return error = describe(kWhat, certificate_file, trouble), false;
  }
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return error = describe(kWhat, certificate_file, "no certificate in PEM (" + openssl_reason() + ")"), false;
  }
  return load_key(context, certificate_file, key_file, error);
}

bool load_authorities(SSL_CTX* context, const std::string& file, std::string& error) {
  ERR_clear_error();
  if (file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return true;
    return error = "the system's certificate authorities: " + openssl_reason(), false;
  }
  static constexpr const char* kWhat = "CA file";
  if (const std::string trouble = trouble_reading(file); !trouble.empty()) {
    return error = describe(kWhat, file, trouble), false;
  }
  if (SSL_CTX_load_verify_file(context, file.c_str()) == 1) return true;
  return error = describe(kWhat, file, "no certificate in PEM (" + openssl_reason() + ")"), false;
}

}  // namespace viaduct::crypto
