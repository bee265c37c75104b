// There is no other way to seed all of OpenSSL's generators.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/simulation/real_tls.h"

#include <gtest/gtest.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/random.h"

namespace viaduct::sim {
namespace {

namespace fs = std::filesystem;

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

std::unique_ptr<crypto::TlsContext> make_real_tls_server() {
  std::string error;
  auto context = crypto::make_tls_server(
      {.certificate_file = certificate().certificate, .private_key_file = certificate().key, .alpn = {"test"}}, error);
  EXPECT_TRUE(context) << error;
  return context;
}

std::unique_ptr<crypto::TlsContext> make_real_tls_client() {
  std::string error;
  auto context = crypto::make_tls_client({.ca_file = certificate().certificate, .alpn = {"test"}}, error);
  EXPECT_TRUE(context) << error;
  return context;
}

void seed_openssl(uint64_t seed) {
  certificate();  // made before, so that it does not depend on who came first
  seeded = Random::from_seed(seed);
  RAND_set_rand_method(&kSeeded);
}

void unseed_openssl() { RAND_set_rand_method(RAND_OpenSSL()); }

}  // namespace viaduct::sim
