// A ClientHello in pieces out of order, as Chrome sends it: so that nothing on the way comes to rely on where its parts
// are.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"

namespace viaduct::quic {

struct CryptoPiece {
  uint32_t offset = 0;
  uint32_t length = 0;
};

// Cuts [0, size) and shuffles the pieces. room: what one packet takes. Of what is larger, the first packet gets the
// front and the end, the others what is between.
std::vector<CryptoPiece> scramble(uint32_t size, uint32_t room, Random& random);

}  // namespace viaduct::quic
