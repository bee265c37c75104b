// Our AES-GCM for VAES: what the tests of all providers don't ask, and how it is chosen.
#include "crypto-offload/vaes_gcm.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>

#include "crypto-offload/gcm_calibration.h"
#include "crypto-offload/protector_self_test.h"
#include "tests/crypto-offload/hex.h"
#include "tests/crypto-offload/providers.h"

namespace viaduct::crypto {
namespace {

constexpr Aead kGcms[] = {Aead::kAes128Gcm, Aead::kAes256Gcm};

// A page between two that may not be touched.
class FencedPage {
 public:
  FencedPage() {
    memory_ = static_cast<uint8_t*>(mmap(nullptr, 3 * kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + kSize, kSize, PROT_READ | PROT_WRITE);
  }
  ~FencedPage() { munmap(memory_, 3 * kSize); }
  FencedPage(const FencedPage&) = delete;
  FencedPage& operator=(const FencedPage&) = delete;

  // So many bytes at its beginning or its end.
  MutableBytes take(size_t size, bool at_end) { return {memory_ + kSize + (at_end ? kSize - size : 0), size}; }

  static constexpr size_t kSize = 4096;

 private:
  uint8_t* memory_;
};

class VaesGcm : public testing::Test {
 protected:
  void SetUp() override {
    if (!run_vaes_here()) GTEST_SKIP() << "this CPU has no AVX-512";
  }
  void fill(MutableBytes bytes) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
  }
  std::vector<uint8_t> random_bytes(size_t size) {
    std::vector<uint8_t> bytes(size);
    fill(bytes);
    return bytes;
  }
  RawKeys random_keys(Aead aead) {
    RawKeys keys;
    keys.aead = aead;
    fill(keys.key);
    fill(keys.iv);
    return keys;
  }

  std::mt19937_64 random_{512};
};

// Header, text and packet each end or begin where the memory that may be touched does.
TEST_F(VaesGcm, TouchesNothingButWhatItIsGiven) {
  const auto ours = make_provider("vaes");
  const auto reference = make_protector("openssl");
  FencedPage headers, fronts, texts, packets;
  for (const Aead aead : kGcms) {
    const RawKeys raw = random_keys(aead);
    const auto key = ours->make_packet_key(raw);
    const auto reference_key = reference->make_packet_key(raw);
    for (const bool at_end : {false, true}) {
      for (size_t size = 0; size < 4000; size += size < 200 ? 1 : 97) {
        const MutableBytes header = headers.take(size % 41, at_end);
        const MutableBytes front = fronts.take(size % 13, at_end);
        const MutableBytes text = texts.take(size, at_end);
        fill(header), fill(front), fill(text);
        const MutableBytes packet = packets.take(front.size() + size + kTagSize, at_end);
        std::vector<uint8_t> expected(packet.size());
        SealJob job{key.get(), size, header, {front, text}, packet.data()};
        SealJob wanted{reference_key.get(), size, header, {front, text}, expected.data()};
        ours->seal({&job, 1});
        reference->seal({&wanted, 1});
        ASSERT_EQ(to_hex(packet), to_hex(expected)) << size;
        OpenJob open{key.get(), size, header, packet, false};
        ours->open({&open, 1});
        ASSERT_TRUE(open.ok && equal(Bytes(packet).subspan(front.size(), size), text)) << size;
      }
    }
  }
}

// Headers of Initial packets carry tokens.
TEST_F(VaesGcm, AuthenticatesLongHeaders) {
  const auto ours = make_provider("vaes");
  const auto reference = make_protector("openssl");
  for (const Aead aead : kGcms) {
    const RawKeys raw = random_keys(aead);
    const auto key = ours->make_packet_key(raw);
    const auto reference_key = reference->make_packet_key(raw);
    for (size_t header_size = 0; header_size < 1300; header_size += header_size < 300 ? 1 : 53) {
      const auto header = random_bytes(header_size);
      const auto text = random_bytes(header_size * 7 % 400);
      std::vector<uint8_t> packet(text.size() + kTagSize), expected(packet.size());
      SealJob job{key.get(), 1, header, {text}, packet.data()};
      SealJob wanted{reference_key.get(), 1, header, {text}, expected.data()};
      ours->seal({&job, 1});
      reference->seal({&wanted, 1});
      ASSERT_EQ(to_hex(packet), to_hex(expected)) << header_size;
    }
  }
}

TEST_F(VaesGcm, PassesTheSelfTest) { EXPECT_TRUE(passes_self_test(*make_provider("vaes"))); }

TEST(GcmChoice, TakesTheNearestOfTheTriedSizes) {
  EXPECT_EQ(GcmChoice::class_of(0), 0u);
  EXPECT_EQ(GcmChoice::class_of(160), 0u);
  EXPECT_EQ(GcmChoice::class_of(161), 1u);
  EXPECT_EQ(GcmChoice::class_of(1200), 2u);
  EXPECT_EQ(GcmChoice::class_of(1400), 3u);
  EXPECT_EQ(GcmChoice::class_of(65535), 4u);
  GcmChoice choice;
  choice.seal[2] = choice.open[0] = true;
  EXPECT_TRUE(choice.seals(1250) && !choice.seals(1452) && choice.opens(20) && !choice.opens(1200));
}

TEST(GcmChoice, SaysWhoDoesWhat) {
  EXPECT_EQ(describe({}), "ipsec-mb");
  EXPECT_EQ(describe(GcmChoice::all()), "vaes");
  GcmChoice choice;
  choice.seal[0] = choice.seal[2] = true;
  EXPECT_EQ(describe(choice), "vaes (seals 64 1200; opens none) and ipsec-mb");
}

// Works as often as it is told, which makes it as slow.
class RepeatingProtector final : public PacketProtector {
 public:
  RepeatingProtector(unsigned seals, unsigned opens) : seals_(seals), opens_(opens) {}

  std::string_view name() const override { return "repeating"; }
  std::unique_ptr<PacketKey> make_packet_key(const RawKeys& keys) override { return inner_->make_packet_key(keys); }
  std::unique_ptr<HeaderKey> make_header_key(const RawKeys& keys) override { return inner_->make_header_key(keys); }
  void seal(std::span<SealJob> jobs) override {
    for (unsigned i = 0; i < seals_; ++i) inner_->seal(jobs);
  }
  void open(std::span<OpenJob> jobs) override {
    for (unsigned i = 0; i < opens_; ++i) inner_->open(jobs);
  }
  void header_masks(std::span<MaskJob> jobs) override { inner_->header_masks(jobs); }

 private:
  const unsigned seals_;
  const unsigned opens_;
  std::unique_ptr<PacketProtector> inner_ = make_protector("openssl");
};

TEST(GcmChoice, IsWhatWonOnThisCpu) {
  RepeatingProtector fast(1, 1), slow(8, 8), slow_to_open(1, 8);
  EXPECT_EQ(measure_gcm(fast, slow), GcmChoice());
  EXPECT_EQ(measure_gcm(slow, fast), GcmChoice::all());
  const GcmChoice mixed = measure_gcm(slow_to_open, fast);
  EXPECT_EQ(mixed.open, GcmChoice::all().open);
}

}  // namespace
}  // namespace viaduct::crypto
