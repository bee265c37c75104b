#include "base/chacha20.h"

#include <bit>
#include <cstddef>

namespace viaduct {
namespace {

void quarter_round(ChaCha20Block& x, size_t a, size_t b, size_t c, size_t d) {
  x[a] += x[b];
  x[d] = std::rotl(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = std::rotl(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = std::rotl(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = std::rotl(x[b] ^ x[c], 7);
}

}  // namespace

ChaCha20Block chacha20_block(const ChaCha20Key& key, uint32_t counter, const std::array<uint32_t, 3>& nonce) {
  const ChaCha20Block input = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1],   key[2],   key[3],
                               key[4],     key[5],     key[6],     key[7],     counter, nonce[0], nonce[1], nonce[2]};
  ChaCha20Block x = input;
  for (int i = 0; i < 10; ++i) {
    for (size_t column = 0; column < 4; ++column) quarter_round(x, column, column + 4, column + 8, column + 12);
    for (size_t d = 0; d < 4; ++d) quarter_round(x, d, 4 + (d + 1) % 4, 8 + (d + 2) % 4, 12 + (d + 3) % 4);
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] += input[i];
  return x;
}

}  // namespace viaduct
