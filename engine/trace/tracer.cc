#include "engine/trace/tracer.h"

#include <algorithm>

namespace viaduct::quic {

uint64_t Tracer::choose(const IpAddress& peer, Random& random) {
  const bool named = std::ranges::find(choice_.addresses, peer) != choice_.addresses.end();
  const bool sampled = choice_.one_in > 0 && random.below(choice_.one_in) == 0;
  return named || sampled ? next_++ : 0;
}

}  // namespace viaduct::quic
