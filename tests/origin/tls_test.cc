// What the workers' TLS shares, and certificates that change.
#include "apps/origin/tls.h"

#include <gtest/gtest.h>

#include "tests/origin/folder.h"

namespace viaduct::origin {
namespace {

class SharedTlsTest : public testing::Test {
 protected:
  void SetUp() override {
    config.certificate_file = folder.path() + "/certificate.pem";
    config.key_file = folder.path() + "/key.pem";
    make_certificate();
  }
  void make_certificate() {
    std::filesystem::remove(config.certificate_file);
    std::filesystem::remove(config.key_file);
    ASSERT_TRUE(crypto::make_self_signed("server.test", config.certificate_file, config.key_file, error)) << error;
  }

  // A handshake of one of our contexts with a client that trusts the present certificate alone, as far as TLS can say:
  // whether both are complete.
  bool is_trusted(crypto::TlsContext& context) {
    auto client_context = crypto::make_tls_client({.ca_file = config.certificate_file, .alpn = {"h3"}}, error);
    const uint8_t parameters[] = {1, 1, 0};
    auto client = client_context->connect("server.test", parameters, {});
    auto server = context.accept(parameters);
    client->start();
    int complete = 0;
    for (int round = 0; round < 8; ++round) {
      complete += pass(*client, *server) + pass(*server, *client);
    }
    return complete == 2;
  }
  static int pass(crypto::TlsSession& from, crypto::TlsSession& to) {
    int complete = 0;
    crypto::TlsMessage message;
    while (from.poll(message)) {
      if (message.type == crypto::TlsMessage::Type::kCrypto) {
        const std::vector<uint8_t> bytes(message.bytes.begin(), message.bytes.end());
        to.provide(message.level, bytes);
      }
      complete += message.type == crypto::TlsMessage::Type::kComplete;
    }
    return complete;
  }

  Folder folder;
  Config config;
  std::string error;
};

TEST_F(SharedTlsTest, HandsNewCertificatesToItsWorkers) {
  auto shared = SharedTls::make(config, error);
  ASSERT_TRUE(shared) << error;
  auto context = shared->make_context(error);
  ASSERT_TRUE(context) << error;
  uint64_t seen = 0;
  EXPECT_TRUE(is_trusted(*context));
  make_certificate();
  shared->update(*context, seen);
  EXPECT_FALSE(is_trusted(*context));
  ASSERT_TRUE(shared->reload_certificates(error)) << error;
  shared->update(*context, seen);
  EXPECT_TRUE(is_trusted(*context));
}

TEST_F(SharedTlsTest, KeepsItsCertificatesWhereNewOnesCannotBeUsed) {
  auto shared = SharedTls::make(config, error);
  ASSERT_TRUE(shared) << error;
  auto context = shared->make_context(error);
  uint64_t seen = 0;
  const std::string key = config.key_file;
  std::filesystem::rename(key, key + ".gone");
  EXPECT_FALSE(shared->reload_certificates(error));
  EXPECT_NE(error.find(key), std::string::npos) << error;
  std::filesystem::rename(key + ".gone", key);
  shared->update(*context, seen);
  EXPECT_TRUE(is_trusted(*context));
}

TEST_F(SharedTlsTest, SaysWhatIsWrongWithTheTicketKeys) {
  config.ticket_key_file = folder.path() + "/tickets";
  EXPECT_FALSE(SharedTls::make(config, error));
  EXPECT_NE(error.find(config.ticket_key_file), std::string::npos) << error;
  folder.write("tickets", "short\n");
  EXPECT_FALSE(SharedTls::make(config, error));
  EXPECT_NE(error.find("line 1"), std::string::npos) << error;
  folder.write("tickets", "# of this pool\n" + std::string(64, 'a') + "\n");
  EXPECT_TRUE(SharedTls::make(config, error)) << error;
}

}  // namespace
}  // namespace viaduct::origin
