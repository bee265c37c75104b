#include "engine/connection/crypto_scramble.h"

#include <algorithm>

namespace viaduct::quic {
namespace {

// Beside the cuts, of the one packet's pieces; and bytes that a ClientHello of several packets begins with in its
// first.
constexpr uint64_t kMinCuts = 2, kMaxCuts = 10;
constexpr uint64_t kMinFront = 55, kMaxFront = 86;

void shuffle(std::vector<CryptoPiece>& pieces, size_t from, Random& random) {
  for (size_t i = pieces.size(); i > from + 1; --i) std::swap(pieces[i - 1], pieces[from + random.below(i - from)]);
}

// [begin, end) in pieces of random size.
void cut(std::vector<CryptoPiece>& pieces, uint32_t begin, uint32_t end, Random& random) {
  std::vector<uint32_t> places = {begin, end};
  const uint64_t cuts = kMinCuts + random.below(kMaxCuts - kMinCuts + 1);
  for (uint64_t i = 0; i < cuts && end - begin > 1; ++i) {
    places.push_back(begin + static_cast<uint32_t>(random.below(end - begin)));
  }
  std::ranges::sort(places);
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i] > places[i - 1]) pieces.push_back({places[i - 1], places[i] - places[i - 1]});
  }
}

}  // namespace

std::vector<CryptoPiece> scramble(uint32_t size, uint32_t room, Random& random) {
  std::vector<CryptoPiece> pieces;
  if (size <= room) {
    cut(pieces, 0, size, random);
    shuffle(pieces, 0, random);
    return pieces;
  }
  const auto front = static_cast<uint32_t>(kMinFront + random.below(kMaxFront - kMinFront + 1));
  const uint32_t end = size - (room - front) / 2 - static_cast<uint32_t>(random.below((room - front) / 2));
  cut(pieces, 0, front, random);
  cut(pieces, end, size, random);
  shuffle(pieces, 0, random);
  const size_t first_packet = pieces.size();
  cut(pieces, front, end, random);
  shuffle(pieces, first_packet, random);
  return pieces;
}

}  // namespace viaduct::quic
