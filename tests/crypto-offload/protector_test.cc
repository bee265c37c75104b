#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <random>

#include "crypto-offload/key_schedule.h"
#include "crypto-offload/protector_self_test.h"
#include "crypto-offload/schedule_cache.h"
#include "tests/crypto-offload/hex.h"
#include "tests/crypto-offload/providers.h"
#include "tests/crypto-offload/vectors.h"

namespace viaduct::crypto {
namespace {

constexpr Aead kAeads[] = {Aead::kAes128Gcm, Aead::kAes256Gcm, Aead::kChaCha20Poly1305};

class Protector : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!protector_) GTEST_SKIP() << "this CPU has no " << GetParam();
  }

  std::vector<uint8_t> random_bytes(size_t size) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    return bytes;
  }
  size_t below(size_t n) { return random_() % n; }
  // Instructions that are interpreted take a thousand times as long; fewer of the long packets will do then.
  static bool is_interpreted() { return GetParam() == std::string_view("vaes") && !vaes_gcm::usable(); }
  RawKeys random_keys(Aead aead) { return derive_keys(kQuicVersion1, aead, random_bytes(kSha256Size)); }

  std::mt19937_64 random_{20210527};
  std::unique_ptr<PacketProtector> protector_ = make_provider(GetParam());
};

// Header and payload as a protected packet, with the protector's calls alone.
std::vector<uint8_t> protect(PacketProtector& protector, const RawKeys& raw, uint64_t packet_number,
                             size_t packet_number_size, Bytes header, Bytes payload) {
  const auto key = protector.make_packet_key(raw);
  const auto header_key = protector.make_header_key(raw);
  std::vector<uint8_t> packet(header.begin(), header.end());
  packet.resize(header.size() + payload.size() + kTagSize);
  SealJob seal{key.get(), packet_number, header, {payload}, packet.data() + header.size()};
  protector.seal({&seal, 1});
  const size_t at = header.size() - packet_number_size;
  MaskJob mask{header_key.get(), packet.data() + at + 4};
  protector.header_masks({&mask, 1});
  packet[0] ^= mask.mask[0] & ((packet[0] & 0x80) != 0 ? 0x0f : 0x1f);
  for (size_t i = 0; i < packet_number_size; ++i) packet[at + i] ^= mask.mask[1 + i];
  return packet;
}

std::string sha256_of(Bytes bytes) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  return to_hex(digest);
}

TEST_P(Protector, ProtectsTheInitialPacketsOfTheAppendices) {
  auto client_payload = from_hex(vectors::kClientFrame);
  client_payload.resize(vectors::kClientPayloadSize);
  for (const vectors::Version& v : vectors::kVersions) {
    for (const auto& [side, payload] :
         {std::pair{v.client, client_payload}, std::pair{v.server, from_hex(vectors::kServerPayload)}}) {
      const RawKeys keys = derive_keys(v.number, Aead::kAes128Gcm, from_hex(side.secret));
      const auto packet =
          protect(*protector_, keys, side.packet_number, side.packet_number_size, from_hex(side.header), payload);
      EXPECT_EQ(to_hex(packet).substr(0, side.packet.size()), side.packet);
      if (!side.packet_sha256.empty()) {
        EXPECT_EQ(sha256_of(packet), side.packet_sha256);
      }
    }
  }
}

TEST_P(Protector, ProtectsTheShortHeaderPacketOfTheAppendices) {
  for (const vectors::Version& v : vectors::kVersions) {
    const RawKeys keys = derive_keys(v.number, Aead::kChaCha20Poly1305, from_hex(vectors::kChaChaSecret));
    const auto packet = protect(*protector_, keys, vectors::kChaChaPacketNumber, 3, from_hex(vectors::kChaChaHeader),
                                from_hex(vectors::kChaChaPayload));
    EXPECT_EQ(to_hex(packet), v.chacha_packet);
  }
}

TEST_P(Protector, MasksTheSamplesOfTheAppendices) {
  for (const vectors::Version& v : vectors::kVersions) {
    for (const vectors::Side& side : {v.client, v.server}) {
      const RawKeys keys = derive_keys(v.number, Aead::kAes128Gcm, from_hex(side.secret));
      const auto key = protector_->make_header_key(keys);
      const auto sample = from_hex(side.sample);
      MaskJob job{key.get(), sample.data()};
      protector_->header_masks({&job, 1});
      EXPECT_EQ(to_hex(job.mask), side.mask);
    }
  }
}

// Bursts of random shape: every key of its own, sizes up to a jumbo frame, one to three spans at any
// alignment. What comes out is what OpenSSL makes of it, and comes back.
TEST_P(Protector, AgreesWithTheReference) {
  const auto reference = make_protector("openssl");
  for (int round = 0; round < (is_interpreted() ? 20 : 60); ++round) {
    const size_t count = 1 + below(40);
    std::vector<RawKeys> raw;
    std::vector<std::unique_ptr<PacketKey>> keys;
    std::vector<std::unique_ptr<PacketKey>> reference_keys;
    std::vector<std::vector<uint8_t>> sources(count), headers(count), sealed(count), expected(count);
    std::vector<SealJob> jobs(count);
    for (size_t i = 0; i < count; ++i) {
      raw.push_back(random_keys(kAeads[below(3)]));
      keys.push_back(protector_->make_packet_key(raw.back()));
      reference_keys.push_back(reference->make_packet_key(raw.back()));
      const size_t size = below(4) == 0 ? below(9001) : below(1500);
      const size_t offset = below(64);
      sources[i] = random_bytes(offset + size);
      headers[i] = random_bytes(below(50));
      sealed[i].resize(offset + size + kTagSize);
      expected[i].resize(size + kTagSize);
      const Bytes text = Bytes(sources[i]).subspan(offset);
      const size_t first = below(size + 1);
      const size_t second = below(size - first + 1);
      jobs[i] = {keys[i].get(),
                 random_(),
                 headers[i],
                 {text.first(first), text.subspan(first, second), text.subspan(first + second)},
                 sealed[i].data() + offset};
      SealJob whole{reference_keys[i].get(), jobs[i].packet_number, headers[i], {text}, expected[i].data()};
      reference->seal({&whole, 1});
    }
    protector_->seal(jobs);
    std::vector<OpenJob> opens(count);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(to_hex({jobs[i].out, expected[i].size()}), to_hex(expected[i])) << "round " << round << " job " << i;
      opens[i] = {keys[i].get(), jobs[i].packet_number, headers[i], {jobs[i].out, expected[i].size()}, false};
    }
    protector_->open(opens);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(opens[i].ok);
      const size_t size = expected[i].size() - kTagSize;
      ASSERT_TRUE(equal(Bytes(opens[i].data).first(size), Bytes(sources[i]).last(size)));
    }
  }
}

TEST_P(Protector, SealsInPlace) {
  for (const Aead aead : kAeads) {
    const auto key = protector_->make_packet_key(random_keys(aead));
    const auto text = random_bytes(1201);
    std::vector<uint8_t> apart(text.size() + kTagSize);
    std::vector<uint8_t> place(text);
    place.resize(apart.size());
    SealJob jobs[2] = {{key.get(), 7, text, {text}, apart.data()},
                       {key.get(), 7, text, {Bytes(place).first(text.size())}, place.data()}};
    protector_->seal(jobs);
    EXPECT_EQ(to_hex(place), to_hex(apart));
  }
}

// A bit flipped in the packet, its header or its number is refused, and nothing of the text is left.
TEST_P(Protector, RefusesWhatWasAltered) {
  for (const Aead aead : kAeads) {
    const auto key = protector_->make_packet_key(random_keys(aead));
    const auto text = random_bytes(70);
    auto header = random_bytes(21);
    std::vector<uint8_t> packet(text.size() + kTagSize);
    SealJob seal{key.get(), 1, header, {text}, packet.data()};
    protector_->seal({&seal, 1});
    const auto opens = [&](uint64_t number, std::vector<uint8_t> data) {
      OpenJob job{key.get(), number, header, data, true};
      protector_->open({&job, 1});
      EXPECT_TRUE(job.ok || data == std::vector<uint8_t>(data.size()));
      return job.ok;
    };
    EXPECT_TRUE(opens(1, packet));
    EXPECT_FALSE(opens(2, packet));
    EXPECT_FALSE(opens(1 | uint64_t{1} << 61, packet));
    EXPECT_FALSE(opens(1, std::vector<uint8_t>(kTagSize - 1)));
    EXPECT_FALSE(opens(1, {}));
    for (size_t bit = 0; bit < 8 * packet.size(); ++bit) {
      auto altered = packet;
      altered[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      EXPECT_FALSE(opens(1, altered)) << "bit " << bit;
    }
    header.back() ^= 0x80;
    EXPECT_FALSE(opens(1, packet));
  }
}

TEST_P(Protector, MasksBurstsOfMixedKeysLikeTheReference) {
  const auto reference = make_protector("openssl");
  for (const size_t count :
       {size_t{1}, size_t{2}, size_t{3}, size_t{5}, size_t{7}, size_t{8}, size_t{9}, size_t{32}, size_t{100}}) {
    std::vector<std::unique_ptr<HeaderKey>> keys, reference_keys;
    const auto samples = random_bytes(count * kSampleSize + 1);
    std::vector<MaskJob> jobs, expected;
    for (size_t i = 0; i < count; ++i) {
      const RawKeys raw = random_keys(kAeads[below(3)]);
      keys.push_back(protector_->make_header_key(raw));
      reference_keys.push_back(reference->make_header_key(raw));
      jobs.push_back({keys.back().get(), samples.data() + 1 + i * kSampleSize});
      expected.push_back({reference_keys.back().get(), jobs.back().sample});
    }
    protector_->header_masks(jobs);
    reference->header_masks(expected);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(to_hex(jobs[i].mask), to_hex(expected[i].mask));
  }
}

// Fewer places for expanded keys than there are keys: each comes back whenever it is needed, also within
// one burst, and keys that go leave their place to others.
TEST_P(Protector, ExpandsKeysThatLostTheirPlace) {
  const size_t kKeys = 40;
  const auto small = make_provider(GetParam(), {.schedules = 5});
  const auto reference = make_protector("openssl");
  std::vector<RawKeys> raw;
  std::vector<std::unique_ptr<PacketKey>> keys, reference_keys;
  for (size_t i = 0; i < kKeys; ++i) {
    raw.push_back(random_keys(i % 2 == 0 ? Aead::kAes128Gcm : Aead::kAes256Gcm));
    keys.push_back(small->make_packet_key(raw[i]));
    reference_keys.push_back(reference->make_packet_key(raw[i]));
  }
  const auto text = random_bytes(100);
  for (int round = 0; round < 50; ++round) {
    std::vector<SealJob> jobs(32), expected(32);
    std::vector<std::array<uint8_t, 116>> out(32), expected_out(32);
    for (size_t i = 0; i < jobs.size(); ++i) {
      const size_t key = below(kKeys);
      if (below(10) == 0 && i == 0) keys[key] = small->make_packet_key(raw[key]);
      jobs[i] = {keys[key].get(), i, {}, {text}, out[i].data()};
      expected[i] = {reference_keys[key].get(), i, {}, {text}, expected_out[i].data()};
    }
    small->seal(jobs);
    reference->seal(expected);
    ASSERT_EQ(out, expected_out);
  }
  const ScheduleUse use = small->schedule_use();
  if (use.capacity > 0) {
    EXPECT_EQ(use.capacity, 5u);
    EXPECT_EQ(use.high_water, 5u);
    EXPECT_GT(use.evicted, 100u);
    EXPECT_LE(use.used, use.capacity);
  }
  keys.clear();
  EXPECT_EQ(small->schedule_use().used, 0u);
}

// The same for header keys, where a mask that is being worked on must not lose its key to another of its burst.
TEST_P(Protector, MasksWithKeysThatLostTheirPlace) {
  const auto small = make_provider(GetParam(), {.schedules = 3});
  const auto reference = make_protector("openssl");
  std::vector<std::unique_ptr<HeaderKey>> keys, reference_keys;
  for (size_t i = 0; i < 20; ++i) {
    const RawKeys raw = random_keys(kAeads[below(3)]);
    keys.push_back(small->make_header_key(raw));
    reference_keys.push_back(reference->make_header_key(raw));
  }
  const auto sample = random_bytes(kSampleSize);
  for (int round = 0; round < 50; ++round) {
    std::vector<MaskJob> jobs, expected;
    for (size_t i = 0; i < 32; ++i) {
      const size_t key = below(keys.size());
      jobs.push_back({keys[key].get(), sample.data()});
      expected.push_back({reference_keys[key].get(), sample.data()});
    }
    small->header_masks(jobs);
    reference->header_masks(expected);
    for (size_t i = 0; i < jobs.size(); ++i) ASSERT_EQ(to_hex(jobs[i].mask), to_hex(expected[i].mask)) << i;
  }
  EXPECT_LE(small->header_schedule_use().used, small->header_schedule_use().capacity);
  keys.clear();
  EXPECT_EQ(small->header_schedule_use().used, 0u);
}

// Every size up to a jumbo frame, in one burst after the other, each packet at an alignment of its own.
TEST_P(Protector, AgreesWithTheReferenceOnEverySize) {
  const auto reference = make_protector("openssl");
  const auto source = random_bytes(9000 + 64);
  std::vector<uint8_t> sealed(source.size() + kTagSize), expected(source.size() + kTagSize);
  for (const Aead aead : kAeads) {
    const RawKeys raw = random_keys(aead);
    const auto key = protector_->make_packet_key(raw);
    const auto reference_key = reference->make_packet_key(raw);
    for (size_t size = 0; size <= 9000; size += size < 600 ? 1 : 1 + below(is_interpreted() ? 400 : 40)) {
      const size_t offset = size % 64;
      const Bytes text = Bytes(source).subspan(offset, size);
      const Bytes header = Bytes(source).first(size % 48);
      SealJob job{key.get(), size, header, {text}, sealed.data() + offset};
      SealJob whole{reference_key.get(), size, header, {text}, expected.data()};
      protector_->seal({&job, 1});
      reference->seal({&whole, 1});
      ASSERT_TRUE(equal({job.out, size + kTagSize}, Bytes(expected).first(size + kTagSize))) << "size " << size;
      OpenJob open{key.get(), size, header, {job.out, size + kTagSize}, false};
      protector_->open({&open, 1});
      ASSERT_TRUE(open.ok && equal({job.out, size}, text)) << "size " << size;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Providers, Protector, testing::ValuesIn(kProviders), [](const auto& parameter) {
  std::string name = parameter.param;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
});

// A key's expansion is gone from memory as soon as the key is, or as another takes its place.
TEST(ScheduleCache, WipesWhatLeaves) {
  using Schedule = std::array<uint8_t, 1264>;
  ScheduleCache<Schedule> cache(1);
  const auto fill_with = [](uint8_t value) { return [value](Schedule& out) { out.fill(value); }; };
  CachedSlot first, second;
  const Schedule& place = cache.get(first, fill_with(0xaa));
  EXPECT_EQ(place[1000], 0xaa);
  cache.get(second, [&](Schedule& out) {
    EXPECT_EQ(out, Schedule{}) << "what the key before had is still there";
    out.fill(0xbb);
  });
  EXPECT_FALSE(first.is_expanded());
  EXPECT_EQ(cache.use().evicted, 1u);
  cache.drop(second);
  EXPECT_EQ(place, Schedule{});
  cache.drop(first);
  EXPECT_EQ(cache.use().used, 0u);
}

// What an object leaves in its memory when it goes.
template <class Object>
std::array<uint8_t, sizeof(Object)> remains_of(const Object& original) {
  alignas(Object) std::array<uint8_t, sizeof(Object)> memory{};
  auto* object = new (memory.data()) Object(original);
  object->~Object();
  asm volatile("" ::"r"(memory.data()) : "memory");
  return memory;
}

TEST(Secrets, AreWipedWhenTheyGo) {
  const std::vector<uint8_t> pattern(kSha384Size, 0x5a);
  const auto has_pattern = [](Bytes bytes) {
    return std::search_n(bytes.begin(), bytes.end(), 4, uint8_t{0x5a}) != bytes.end();
  };
  EXPECT_FALSE(has_pattern(remains_of(Secret(pattern))));
  RawKeys keys;
  keys.key.fill(0x5a);
  keys.iv.fill(0x5a);
  keys.header_key.fill(0x5a);
  EXPECT_FALSE(has_pattern(remains_of(keys)));
}

// A provider one of whose results has a bit flipped.
class FaultyProtector final : public PacketProtector {
 public:
  enum class Fault : uint8_t { kNone, kSeal, kOpen, kAcceptsForgeries, kMask };
  explicit FaultyProtector(Fault fault) : fault_(fault) {}

  std::string_view name() const override { return "faulty"; }
  std::unique_ptr<PacketKey> make_packet_key(const RawKeys& keys) override { return inner_->make_packet_key(keys); }
  std::unique_ptr<HeaderKey> make_header_key(const RawKeys& keys) override { return inner_->make_header_key(keys); }
  void seal(std::span<SealJob> jobs) override {
    inner_->seal(jobs);
    if (fault_ == Fault::kSeal) jobs.back().out[0] ^= 0x20;
  }
  void open(std::span<OpenJob> jobs) override {
    inner_->open(jobs);
    if (fault_ == Fault::kOpen) jobs[0].data[0] ^= 0x20;
    if (fault_ == Fault::kAcceptsForgeries) jobs.back().ok = true;
  }
  void header_masks(std::span<MaskJob> jobs) override {
    inner_->header_masks(jobs);
    if (fault_ == Fault::kMask) jobs.back().mask[4] ^= 0x20;
  }

 private:
  const Fault fault_;
  std::unique_ptr<PacketProtector> inner_ = make_protector("openssl");
};

TEST(Protectors, AreTestedBeforeTheyAreUsed) {
  using Fault = FaultyProtector::Fault;
  FaultyProtector sound(Fault::kNone);
  EXPECT_TRUE(passes_self_test(sound));
  for (const Fault fault : {Fault::kSeal, Fault::kOpen, Fault::kAcceptsForgeries, Fault::kMask}) {
    FaultyProtector faulty(fault);
    EXPECT_FALSE(passes_self_test(faulty)) << static_cast<int>(fault);
  }
}

TEST(Protectors, AreChosenByName) {
  EXPECT_NE(make_protector(), nullptr);
  EXPECT_EQ(make_protector("openssl")->name(), "openssl");
  EXPECT_EQ(make_protector("rot13"), nullptr);
}

}  // namespace
}  // namespace viaduct::crypto
