#include "crypto-offload/certificate_store.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "crypto-offload/pem_files.h"

namespace viaduct::crypto {

std::shared_ptr<const CertificateStore> CertificateStore::load(const std::vector<CertificateFiles>& files,
                                                               std::string& error) {
  auto store = std::make_shared<CertificateStore>();
  for (const CertificateFiles& pair : files) {
    Holder holder(SSL_CTX_new(TLS_server_method()));
    if (!load_certificate(holder.get(), pair.certificate_file, pair.private_key_file, error)) return nullptr;
    store->certificates_.push_back(std::move(holder));
  }
  return store;
}

bool CertificateStore::apply(SSL* ssl, const char* name) const {
  SSL_certs_clear(ssl);
  return (name != nullptr && apply_if(ssl, name)) || apply_if(ssl, nullptr);
}

// True if there was one for `name`; null: all are.
bool CertificateStore::apply_if(SSL* ssl, const char* name) const {
  std::vector<int> kinds;
  for (const Holder& holder : certificates_) {
    X509* leaf = SSL_CTX_get0_certificate(holder.get());
    EVP_PKEY* key = SSL_CTX_get0_privatekey(holder.get());
    if (name != nullptr && X509_check_host(leaf, name, 0, 0, nullptr) != 1) continue;
    const int kind = EVP_PKEY_get_base_id(key);
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) continue;
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(holder.get(), &chain);
    if (SSL_use_cert_and_key(ssl, leaf, key, chain, 1) == 1) kinds.push_back(kind);
  }
  return !kinds.empty();
}

}  // namespace viaduct::crypto
