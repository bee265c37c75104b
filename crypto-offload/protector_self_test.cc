#include "crypto-offload/protector_self_test.h"

#include <algorithm>
#include <vector>

#include "crypto-offload/openssl_protector.h"

namespace viaduct::crypto {
namespace {

constexpr Aead kAeads[] = {Aead::kAes128Gcm, Aead::kAes256Gcm, Aead::kChaCha20Poly1305};
constexpr size_t kSizes[] = {0, 1, 16, 63, 300, 1200, 1452, 8952};
constexpr size_t kMaskCount = 13;  // as many lanes as there are, then 4 and 1

// Bytes without a pattern that a wrong order could keep.
std::vector<uint8_t> noise(size_t size, uint32_t seed) {
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

RawKeys keys_of(Aead aead, uint32_t seed) {
  RawKeys keys;
  keys.aead = aead;
  const auto bytes = noise(2 * kMaxKeySize + kIvSize, seed);
  std::copy_n(bytes.begin(), kMaxKeySize, keys.key.begin());
  std::copy_n(bytes.begin() + kMaxKeySize, kMaxKeySize, keys.header_key.begin());
  std::copy_n(bytes.end() - kIvSize, kIvSize, keys.iv.begin());
  return keys;
}

// One packet, in one span and in three.
bool protects(PacketProtector& protector, PacketProtector& reference, Aead aead, size_t size) {
  const RawKeys raw = keys_of(aead, static_cast<uint32_t>(size));
  const auto key = protector.make_packet_key(raw);
  const auto reference_key = reference.make_packet_key(raw);
  const auto header = noise(21, 1);
  const auto text = noise(size, 2);
  std::vector<uint8_t> expected(size + kTagSize), whole(expected), pieces(expected);
  const Bytes all(text);
  const size_t third = size / 3;
  SealJob wanted{reference_key.get(), 7, header, {all}, expected.data()};
  SealJob jobs[] = {
      {key.get(), 7, header, {all}, whole.data()},
      {key.get(), 7, header, {all.first(third), all.subspan(third, third), all.subspan(2 * third)}, pieces.data()}};
  reference.seal({&wanted, 1});
  protector.seal(jobs);
  if (whole != expected || pieces != expected) return false;
  pieces.back() ^= 1;
  OpenJob opens[] = {{key.get(), 7, header, whole, false}, {key.get(), 7, header, pieces, false}};
  protector.open(opens);
  return opens[0].ok && !opens[1].ok && equal(Bytes(whole).first(size), all);
}

bool masks(PacketProtector& protector, PacketProtector& reference, Aead aead) {
  std::vector<std::unique_ptr<HeaderKey>> keys, reference_keys;
  std::vector<MaskJob> jobs, expected;
  const auto samples = noise(kMaskCount * kSampleSize, 3);
  for (size_t i = 0; i < kMaskCount; ++i) {
    const RawKeys raw = keys_of(aead, static_cast<uint32_t>(i));
    keys.push_back(protector.make_header_key(raw));
    reference_keys.push_back(reference.make_header_key(raw));
    jobs.push_back({keys[i].get(), samples.data() + i * kSampleSize});
    expected.push_back({reference_keys[i].get(), samples.data() + i * kSampleSize});
  }
  protector.header_masks(jobs);
  reference.header_masks(expected);
  return std::ranges::equal(jobs, expected, {}, &MaskJob::mask, &MaskJob::mask);
}

}  // namespace

bool passes_self_test(PacketProtector& protector) {
  const auto reference = make_openssl_protector();
  return std::ranges::all_of(kAeads, [&](Aead aead) {
    return masks(protector, *reference, aead) &&
           std::ranges::all_of(kSizes, [&](size_t size) { return protects(protector, *reference, aead, size); });
  });
}

}  // namespace viaduct::crypto
