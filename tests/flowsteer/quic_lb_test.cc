#include "flowsteer/quic_lb.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "tests/flowsteer/hex.h"
#include "tests/flowsteer/quic_lb_vectors.h"

namespace viaduct::flowsteer {
namespace {

QuicLbConfig config_of(int id, size_t server_id, size_t nonce, const char* key) {
  QuicLbConfig config;
  config.id = static_cast<uint8_t>(id);
  config.server_id_length = static_cast<uint8_t>(server_id);
  config.nonce_length = static_cast<uint8_t>(nonce);
  if (key) {
    config.key.emplace();
    const auto bytes = from_hex(key);
    std::copy(bytes.begin(), bytes.end(), config.key->begin());
  }
  return config;
}

std::vector<uint8_t> encode(const QuicLb& quic_lb, Bytes server_id, Bytes nonce) {
  const QuicLbConfig& config = quic_lb.config();
  std::vector<uint8_t> id(config.routable_length());
  id[0] = first_octet(config.id, static_cast<uint8_t>(id.size() - 1));
  quic_lb.encode(server_id, nonce, &id[1]);
  return id;
}

TEST(QuicLb, ReproducesTheVectors) {
  for (const QuicLbVector& vector : kQuicLbVectors) {
    SCOPED_TRACE(vector.connection_id);
    const auto server_id = from_hex(vector.server_id), nonce = from_hex(vector.nonce);
    const QuicLb quic_lb(config_of(vector.config_id, server_id.size(), nonce.size(), vector.key));
    const auto id = encode(quic_lb, server_id, nonce);
    EXPECT_EQ(id, from_hex(vector.connection_id));

    const auto decoded = quic_lb.decode(id);
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(equal(decoded->server_id(), server_id));
    EXPECT_TRUE(equal(decoded->nonce(), nonce));
  }
}

// All lengths that section 5 allows, with and without a key, with and without bytes of the server's own behind.
TEST(QuicLb, DecodesWhatItEncodedForEveryLength) {
  Random random = Random::from_seed(1);
  int combinations = 0;
  for (size_t server_id_length = 1; server_id_length <= 15; ++server_id_length) {
    for (size_t nonce_length = 4; nonce_length <= 18 && server_id_length + nonce_length <= 19; ++nonce_length) {
      ++combinations;
      for (const char* key : {static_cast<const char*>(nullptr), kDraftKey}) {
        const QuicLb quic_lb(config_of(combinations % 7, server_id_length, nonce_length, key));
        ASSERT_EQ(quic_lb.config().problem(), "");
        for (int round = 0; round < 50; ++round) {
          std::vector<uint8_t> server_id(server_id_length), nonce(nonce_length);
          random.fill(server_id);
          random.fill(nonce);
          auto id = encode(quic_lb, server_id, nonce);
          id.resize(id.size() + random.below(3));
          const auto decoded = quic_lb.decode(id);
          ASSERT_TRUE(decoded);
          ASSERT_TRUE(equal(decoded->server_id(), server_id));
          ASSERT_TRUE(equal(decoded->nonce(), nonce));
          ASSERT_TRUE(equal(quic_lb.decode_server_id(id)->server_id(), server_id));
        }
      }
    }
  }
  EXPECT_EQ(combinations, 120);
}

TEST(QuicLb, DecodesNoShorterIdAndNoOtherConfiguration) {
  const QuicLb quic_lb(config_of(3, 4, 6, kDraftKey));
  std::vector<uint8_t> id(11);
  for (int other = 0; other <= 7; ++other) {
    id[0] = first_octet(static_cast<uint8_t>(other), 10);
    EXPECT_EQ(quic_lb.decode(id).has_value(), other == 3);
    EXPECT_FALSE(quic_lb.decode(Bytes(id).first(10)));
  }
  EXPECT_FALSE(quic_lb.decode({}));
}

TEST(QuicLb, NamesWhatIsWrongWithAConfiguration) {
  EXPECT_EQ(config_of(6, 15, 4, nullptr).problem(), "");
  EXPECT_EQ(config_of(0, 1, 18, nullptr).problem(), "");
  EXPECT_NE(config_of(7, 1, 4, nullptr).problem(), "");
  EXPECT_NE(config_of(0, 0, 8, nullptr).problem(), "");
  EXPECT_NE(config_of(0, 16, 4, nullptr).problem(), "");
  EXPECT_NE(config_of(0, 4, 3, nullptr).problem(), "");
  EXPECT_NE(config_of(0, 1, 19, nullptr).problem(), "");
  EXPECT_NE(config_of(0, 10, 10, nullptr).problem(), "");
}

}  // namespace
}  // namespace viaduct::flowsteer
