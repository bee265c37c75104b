// A token that comes back: any bytes, or one of ours that was changed. The first byte says which; for ours, three bytes
// follow for each change: where (two bytes) and what it is xored with.
#include <algorithm>
#include <array>

#include "base/random.h"
#include "crypto-offload/token_sealer.h"
#include "tests/fuzz/fuzz_target.h"

namespace viaduct::fuzz {
namespace {

constexpr std::array<uint8_t, crypto::TokenSealer::kSecretSize> kSecret{1, 2, 3};
constexpr std::array<uint8_t, 6> kAddress{198, 18, 0, 1, 0x9c, 0x40};
constexpr std::array<uint8_t, 20> kContents{7, 7, 7};
constexpr Instant kNow = Instant::from_ns(1'000'000'000'000'000);

using Token = std::array<uint8_t, kContents.size() + crypto::TokenSealer::kOverhead>;

Token sealed(crypto::TokenSealer& sealer) {
  Random random = Random::from_seed(1);
  Token token;
  const size_t size =
      sealer.seal(crypto::TokenKind::kRetry, kContents, kAddress, kNow, Duration::seconds(10), random, token);
  require(size == token.size(), "a token is sealed");
  return token;
}

void open_changed(crypto::TokenSealer& sealer, ByteReader& changes) {
  const Token original = sealed(sealer);
  Token token = original;
  while (changes.remaining() >= 3) {
    const size_t place = changes.u16();
    token[place % token.size()] ^= changes.u8();
  }
  const crypto::OpenedToken opened = sealer.open(token, kAddress, kNow);
  require((opened.state == crypto::TokenState::kGood) == (token == original), "only what was not changed is good");
  if (token == original) require(equal(opened.contents, kContents), "and says what was sealed");
}

// The fuzzer sees what is compared with what, so that it comes to know the one token that there is.
void open_any(crypto::TokenSealer& sealer, Bytes bytes) {
  const crypto::OpenedToken opened = sealer.open(bytes, kAddress, kNow);
  require(opened.state != crypto::TokenState::kGood || std::ranges::equal(bytes, sealed(sealer)),
          "nobody makes a token");
}

}  // namespace
}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct::fuzz;
  if (size == 0) return 0;
  static viaduct::crypto::TokenSealer sealer(kSecret, viaduct::Duration::seconds(60));
  viaduct::ByteReader rest({data + 1, size - 1});
  if ((data[0] & 1) != 0) {
    open_changed(sealer, rest);
  } else {
    open_any(sealer, rest.rest());
  }
  return 0;
}
