// What connections hold of their keys while nothing is sent.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <random>
#include <vector>

#include "crypto-offload/key_pool.h"
#include "tests/crypto-offload/providers.h"

namespace viaduct::crypto {
namespace {

size_t heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Keys of a connection in 1-RTT: two phases for reading, one for writing, and those of headers.
struct ConnectionKeys {
  std::array<std::unique_ptr<PacketKey>, 3> packets;
  std::array<std::unique_ptr<HeaderKey>, 2> headers;
};

size_t bytes_per_connection(PacketProtector& protector, Aead aead) {
  constexpr size_t kFirst = 5000;  // fill what the pools have already
  constexpr size_t kCounted = 20000;
  std::vector<ConnectionKeys> all(kFirst + kCounted);
  RawKeys raw;
  raw.aead = aead;
  size_t before = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == kFirst) before = heap_in_use();
    for (auto& key : all[i].packets) key = protector.make_packet_key(raw);
    for (auto& key : all[i].headers) key = protector.make_header_key(raw);
  }
  return (heap_in_use() - before) / kCounted;
}

TEST(KeyMemory, IsUnder200BytesForAConnectionThatIsIdle) {
  const auto protector = make_protector("ipsec-mb");
  ASSERT_TRUE(protector) << "Viaduct needs a CPU with AES-NI";
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "mallinfo2() tells of glibc's heap, which sanitizers replace";
#endif
  const size_t aes_128 = bytes_per_connection(*protector, Aead::kAes128Gcm);
  const size_t aes_256 = bytes_per_connection(*protector, Aead::kAes256Gcm);
  RecordProperty("aes_128_gcm_bytes", static_cast<int>(aes_128));
  RecordProperty("aes_256_gcm_bytes", static_cast<int>(aes_256));
  EXPECT_LT(aes_128, 200u);
  EXPECT_LT(aes_256, 280u);
}

TEST(KeyPool, GivesPlacesOutAgainAndFindsTheirOwner) {
  int owner = 0;
  KeyPool pool(37, &owner);
  EXPECT_EQ(pool.place_size(), 40u);
  std::vector<uint8_t*> places;
  for (size_t i = 0; i < 5000; ++i) {
    places.push_back(static_cast<uint8_t*>(pool.take()));
    std::fill_n(places.back(), pool.place_size(), static_cast<uint8_t>(i));
  }
  EXPECT_EQ(pool.use().used(), 5000u);
  for (size_t i = 0; i < places.size(); ++i) {
    ASSERT_EQ(KeyPool::owner_of(places[i]), &owner);
    ASSERT_TRUE(std::all_of(places[i], places[i] + pool.place_size(), [i](uint8_t b) { return b == uint8_t(i); }));
  }
  std::ranges::shuffle(places, std::mt19937_64(1));
  const std::vector<uint8_t*> before(places.begin(), places.begin() + 1000);
  for (uint8_t* place : before) KeyPool::give_back(place);
  EXPECT_EQ(pool.use().used(), 4000u);
  std::vector<uint8_t*> again;
  again.reserve(before.size());
  for (size_t i = 0; i < before.size(); ++i) again.push_back(static_cast<uint8_t*>(pool.take()));
  EXPECT_TRUE(std::ranges::is_permutation(again, before));
  EXPECT_EQ(pool.use().high_water(), 5000u);
}

}  // namespace
}  // namespace viaduct::crypto
