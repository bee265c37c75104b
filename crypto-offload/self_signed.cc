// A certificate for a first run, signed by itself.
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "crypto-offload/pem_files.h"
#include "crypto-offload/tls_session.h"

namespace viaduct::crypto {
namespace {

constexpr long kSecondsBefore = 3600;  // for clients whose clock is slow
constexpr long kSecondsValid = 365L * 24 * 3600;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

bool add_extension(X509* certificate, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial_number(X509* certificate) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1;
}

bool is_address(const std::string& name) {
  uint8_t bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 || inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// A value with a comma would be read as two by OpenSSL's syntax for extensions.
bool is_plain(const std::string& name) {
  static constexpr const char* kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:*";
  return !name.empty() && name.size() <= 253 && name.find_first_not_of(kAllowed) == std::string::npos;
}

Certificate make_certificate(const std::string& name, EVP_PKEY* key) {
  Certificate certificate(X509_new(), &X509_free);
  X509* x = certificate.get();
  X509_NAME* subject = X509_get_subject_name(x);
  const std::string common_name = name.substr(0, 64);  // the most that X.520 allows
  const bool made =
      X509_set_version(x, X509_VERSION_3) == 1 && set_serial_number(x) &&
      X509_gmtime_adj(X509_getm_notBefore(x), -kSecondsBefore) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x), kSecondsValid) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 &&
      add_extension(x, NID_subject_alt_name, (is_address(name) ? "IP:" : "DNS:") + name) &&
      add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(x, NID_key_usage, "critical,digitalSignature") &&
      add_extension(x, NID_ext_key_usage, "serverAuth") && add_extension(x, NID_subject_key_identifier, "hash") &&
      X509_sign(x, key, EVP_sha256()) > 0;
  if (!made) certificate.reset();
  return certificate;
}

// Writes what `write` says to a file that is new or replaced, with the given mode.
template <class Write>
bool write_file(const char* what, const std::string& name, mode_t mode, std::string& error, Write write) {
  const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  const bool opened = descriptor >= 0 && ::fchmod(descriptor, mode) == 0;
  FILE* file = descriptor >= 0 ? ::fdopen(descriptor, "w") : nullptr;
  bool written = opened && file != nullptr && write(file);
  if (file != nullptr && std::fclose(file) != 0) written = false;
  if (!written) error = std::string(what) + " file " + name + ": " + std::strerror(errno);
  return written;
}

}  // namespace

bool make_self_signed(const std::string& name, const std::string& certificate_file, const std::string& key_file,
                      std::string& error) {
  if (!is_plain(name)) return error = "name \"" + name + "\": expected a DNS name or an IP address", false;
  ERR_clear_error();
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate certificate = key ? make_certificate(name, key.get()) : Certificate(nullptr, &X509_free);
  if (!certificate) return error = "self-signed certificate for " + name + ": " + openssl_reason(), false;
  return write_file("private key", key_file, 0600, error,
                    [&](FILE* file) {
                      return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
                    }) &&
         write_file("certificate", certificate_file, 0644, error,
                    [&](FILE* file) { return PEM_write_X509(file, certificate.get()) == 1; });
}

}  // namespace viaduct::crypto
