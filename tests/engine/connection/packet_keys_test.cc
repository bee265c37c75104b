#include "engine/connection/packet_keys.h"

#include <gtest/gtest.h>

#include <cstring>

namespace viaduct::quic {
namespace {

using Phase = OneRttKeys::Phase;

constexpr Instant kNow = Instant::from_ns(5'000'000'000);
constexpr Instant kLater = kNow + Duration::seconds(1);

// Two ends of one connection.
class KeyPhases : public ::testing::Test {
 protected:
  KeyPhases() {
    std::array<uint8_t, 32> one, other;
    one.fill(1);
    other.fill(2);
    const auto aead = crypto::Aead::kAes128Gcm;
    a.install(crypto::Direction::kWrite, 1, aead, one, *protector);
    b.install(crypto::Direction::kRead, 1, aead, one, *protector);
    b.install(crypto::Direction::kWrite, 1, aead, other, *protector);
    a.install(crypto::Direction::kRead, 1, aead, other, *protector);
  }

  struct Sealed {
    std::array<uint8_t, 20> bytes{};
    uint64_t number;
    bool phase;
  };
  Sealed seal(OneRttKeys& keys, uint64_t number) {
    Sealed sealed{.number = number, .phase = keys.write_phase()};
    const std::array<uint8_t, 4> text = {1, 2, 3, 4};
    crypto::SealJob job{
        .key = keys.write_key(), .packet_number = number, .in = {Bytes(text)}, .out = sealed.bytes.data()};
    protector->seal({&job, 1});
    return sealed;
  }
  // Whether it was authentic.
  bool open(OneRttKeys& keys, Sealed sealed, Phase expected, bool begins_phase = false) {
    const Phase phase = keys.phase_of(sealed.phase, sealed.number, kNow);
    EXPECT_EQ(phase, expected);
    crypto::OpenJob job{.key = keys.read_key(phase), .packet_number = sealed.number, .data = sealed.bytes};
    protector->open({&job, 1});
    if (job.ok) {
      EXPECT_EQ(keys.on_opened(phase, sealed.number, kLater, *protector), begins_phase);
    }
    return job.ok;
  }

  std::unique_ptr<crypto::PacketProtector> protector = crypto::make_protector();
  OneRttKeys a, b;
};

// RFC 9001 section 6.
// proves RFC 9001 6.2-1 6.2-2 6.3-2 6.3-3 9.5-3
TEST_F(KeyPhases, BothSidesFollow) {
  a.set_update_interval(2);
  EXPECT_TRUE(open(b, seal(a, 0), Phase::kCurrent));
  for (uint64_t number : {0u, 1u}) a.before_seal(number, 0, true, *protector);
  const Sealed delayed = seal(a, 1);
  a.before_seal(2, 1, true, *protector);
  EXPECT_TRUE(a.write_phase());
  EXPECT_TRUE(open(b, seal(a, 2), Phase::kNext, true));
  EXPECT_TRUE(b.write_phase());
  EXPECT_TRUE(open(b, seal(a, 3), Phase::kCurrent));
  EXPECT_TRUE(open(b, delayed, Phase::kPrevious));
  // The answer in the new phase ends the update at the side that began it.
  EXPECT_TRUE(open(a, seal(b, 0), Phase::kNext, true));
  EXPECT_TRUE(a.write_phase());
}

// RFC 9001 section 6.1.
// proves RFC 9001 6.1-2
TEST_F(KeyPhases, NoUpdateBeforeThePresentPhaseIsAcknowledged) {
  a.set_update_interval(1);
  a.before_seal(0, ~uint64_t{0}, true, *protector);
  a.before_seal(1, ~uint64_t{0}, true, *protector);
  EXPECT_FALSE(a.write_phase());
  a.before_seal(2, 0, false, *protector);
  EXPECT_FALSE(a.write_phase());
  a.before_seal(3, 0, true, *protector);
  EXPECT_TRUE(a.write_phase());
  // Nor again before the peer has followed, though a packet of the phase was acknowledged.
  a.before_seal(4, 3, true, *protector);
  EXPECT_TRUE(a.write_phase());
}

// proves RFC 9001 6.1-3 6.1-4 6.5-2 6.5-3
TEST_F(KeyPhases, OldKeysGoInTime) {
  a.set_update_interval(1);
  const Sealed old = seal(a, 0);
  a.before_seal(0, ~uint64_t{0}, true, *protector);
  a.before_seal(1, 0, true, *protector);
  EXPECT_TRUE(open(b, seal(a, 1), Phase::kNext, true));
  EXPECT_EQ(b.phase_of(old.phase, old.number, kLater), Phase::kNext);
  b.drop_previous(kLater);
  EXPECT_EQ(b.phase_of(old.phase, old.number, kNow), Phase::kNext);
  EXPECT_EQ(b.read_key(Phase::kPrevious), nullptr);
}

// RFC 9001 section 6.6.
// proves RFC 9001 5.3-3 6.6-1 6.6-2 6.6-3
TEST_F(KeyPhases, AKeySealsNoMoreThanItMay) {
  uint64_t number = 0;
  while (number < (uint64_t{1} << 23)) ASSERT_TRUE(a.before_seal(number++, ~uint64_t{0}, false, *protector));
  EXPECT_FALSE(a.before_seal(number, ~uint64_t{0}, false, *protector));
}

}  // namespace
}  // namespace viaduct::quic
