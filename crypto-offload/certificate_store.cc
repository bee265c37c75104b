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
  store->without_name_ = store->choose_if(nullptr);
  return store;
}

CertificateStore::Choice CertificateStore::choose(const char* name) const {
  // Asking takes some microseconds, so where the answer is known nobody is asked.
  if (name == nullptr || certificates_.size() == 1) return without_name_;
  Choice choice = choose_if(name);
  return choice.empty() ? without_name_ : choice;
}

CertificateStore::Choice CertificateStore::choose_if(const char* name) const {
  Choice choice;
  for (uint16_t i = 0; i < certificates_.size(); ++i) {
    X509* leaf = SSL_CTX_get0_certificate(certificates_[i].get());
    if (name != nullptr && X509_check_host(leaf, name, 0, 0, nullptr) != 1) continue;
    const bool has_kind = std::ranges::any_of(choice, [&](uint16_t other) { return kind_of(other) == kind_of(i); });
    if (!has_kind) choice.push_back(i);
  }
  return choice;
}

int CertificateStore::kind_of(uint16_t certificate) const {
  return EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(certificates_[certificate].get()));
}

bool CertificateStore::apply(const Choice& choice, SSL* ssl) const {
  SSL_certs_clear(ssl);
  bool any = false;
  for (const uint16_t i : choice) {
    SSL_CTX* holder = certificates_[i].get();
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(holder, &chain);
    any |= SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(holder), SSL_CTX_get0_privatekey(holder), chain, 1) == 1;
  }
  return any;
}

bool CertificateStore::apply(const Choice& choice, SSL_CTX* context) const {
  for (long more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); more == 1;
       more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
    const int kind = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(context));
    if (std::ranges::none_of(choice, [&](uint16_t i) { return kind_of(i) == kind; })) return false;
  }
  bool all = true;
  for (const uint16_t i : choice) {
    SSL_CTX* holder = certificates_[i].get();
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(holder, &chain);
    all &= SSL_CTX_use_cert_and_key(context, SSL_CTX_get0_certificate(holder), SSL_CTX_get0_privatekey(holder), chain,
                                    1) == 1;
  }
  return all;
}

}  // namespace viaduct::crypto
