// There is no other way to seed all of OpenSSL's generators.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/simulation/real_tls.h"

#include <gtest/gtest.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/random.h"
#include "crypto-offload/ticket_keys.h"

namespace viaduct::sim {
namespace {

namespace fs = std::filesystem;

// Of about 400 bytes each.
constexpr int kOthersInChain = 10;

// Files of this process, gone when it ends.
struct Certificate {
  fs::path folder = fs::temp_directory_path() / ("viaduct-simulation-" + std::to_string(getpid()));
  std::string certificate = folder / "certificate.pem";
  std::string key = folder / "key.pem";

  Certificate() {
    fs::create_directories(folder);
    std::string error;
    EXPECT_TRUE(crypto::make_self_signed("server.test", certificate, key, error)) << error;
  }
  ~Certificate() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

const Certificate& certificate() {
  static const Certificate one;
  return one;
}

const std::shared_ptr<const crypto::TicketKeys>& ticket_keys() {
  static const auto keys = crypto::TicketKeys::make();
  return keys;
}

std::optional<Random> seeded;

int draw(unsigned char* out, int size) {
  seeded->fill({out, static_cast<size_t>(size)});
  return 1;
}

const RAND_METHOD kSeeded = {
    .seed = nullptr,
    .bytes = draw,
    .cleanup = nullptr,
    .add = nullptr,
    .pseudorand = draw,
    .status = [] { return 1; },
};

}  // namespace

std::unique_ptr<crypto::TlsContext> make_real_tls_server(crypto::TlsServerOptions options) {
  if (options.certificate_file.empty()) options.certificate_file = certificate().certificate;
  options.private_key_file = certificate().key;
  options.alpn = {"test"};
  options.ticket_keys = ticket_keys();
  std::string error;
  auto context = crypto::make_tls_server(options, error);
  EXPECT_TRUE(context) << error;
  return context;
}

std::unique_ptr<crypto::TlsContext> make_real_tls_client(crypto::TlsClientOptions options) {
  options.ca_file = certificate().certificate;
  options.alpn = {"test"};
  std::string error;
  auto context = crypto::make_tls_client(options, error);
  EXPECT_TRUE(context) << error;
  return context;
}

std::string long_certificate_chain() {
  static const std::string file = [] {
    const Certificate& leaf = certificate();
    const std::string chain = leaf.folder / "chain.pem";
    std::ofstream out(chain);
    out << std::ifstream(leaf.certificate).rdbuf();
    for (int i = 0; i < kOthersInChain; ++i) {
      const std::string name = "other" + std::to_string(i);
      const std::string other = leaf.folder / (name + ".pem");
      std::string error;
      EXPECT_TRUE(crypto::make_self_signed(name, other, leaf.folder / (name + ".key"), error)) << error;
      out << std::ifstream(other).rdbuf();
    }
    return chain;
  }();
  return file;
}

void seed_openssl(uint64_t seed) {
  certificate();  // made before, so that it does not depend on who came first
  ticket_keys();
  seeded = Random::from_seed(seed);
  RAND_set_rand_method(&kSeeded);
}

void unseed_openssl() { RAND_set_rand_method(RAND_OpenSSL()); }

}  // namespace viaduct::sim
