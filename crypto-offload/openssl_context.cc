#include "crypto-offload/openssl_context.h"

#include <algorithm>

#include "crypto-offload/pem_files.h"
#include "crypto-offload/tls_kdf_provider.h"

namespace viaduct::crypto {
namespace {

constexpr const char* kDefaultCiphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

}  // namespace

OpensslContext::OpensslContext(const SSL_METHOD* method) : context_(SSL_CTX_new_ex(nullptr, tls_kdf_query(), method)) {
  SSL_CTX_set_app_data(context_.get(), this);
}

bool OpensslContext::configure(const std::vector<std::string>& alpn, const std::string& ciphers,
                               const std::string& groups, const std::string& key_log_file, std::string& error) {
  // meets RFC 9001 4.2-1 4.2-2
  SSL_CTX_set_min_proto_version(context(), TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context(), TLS1_3_VERSION);
  if (!set_alpn(alpn, error) || !set_ciphers(ciphers.empty() ? kDefaultCiphers : ciphers, error)) return false;
  if (!groups.empty() && SSL_CTX_set1_groups_list(context(), groups.c_str()) != 1) {
    return error = "groups " + groups + ": not a list of groups that OpenSSL knows", false;
  }
  if (!key_log_file.empty()) {
    key_log_ = KeyLog::open(key_log_file, error);
    if (!key_log_) return false;
    SSL_CTX_set_keylog_callback(context(), &log_key);
  }
  return true;
}

// OpenSSL passes over names that it does not know, and knows suites that QUIC does not have.
// meets RFC 9001 5.3-1 5.3-2
bool OpensslContext::set_ciphers(const std::string& names, std::string& error) {
  const std::string known = std::string(":") + kDefaultCiphers + ":";
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(':', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    if (name.empty() || known.find(":" + name + ":") == std::string::npos) {
      return error = "TLS cipher suite \"" + name + "\": expected some of " + kDefaultCiphers, false;
    }
    begin = end + 1;
  }
  if (SSL_CTX_set_ciphersuites(context(), names.c_str()) == 1) return true;
  return error = "TLS cipher suites " + names + ": " + openssl_reason(), false;
}

// meets RFC 9000 7-2
// meets RFC 9001 8.1-1
bool OpensslContext::set_alpn(const std::vector<std::string>& names, std::string& error) {
  if (names.empty()) return error = "no application protocol (ALPN) is given", false;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) {
      return error = "application protocol \"" + name + "\": expected 1 to 255 bytes", false;
    }
    alpn_.push_back(static_cast<uint8_t>(name.size()));
    alpn_.insert(alpn_.end(), name.begin(), name.end());
  }
  return true;
}

}  // namespace viaduct::crypto
