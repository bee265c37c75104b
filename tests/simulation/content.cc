#include "tests/simulation/content.h"

#include <vector>

#include "base/random.h"

namespace viaduct::sim {

// One period of random bytes, twice, so that kLongest of them follow every place in the first.
Chunk& Content::chunk() {
  static const std::vector<uint8_t> bytes = [] {
    std::vector<uint8_t> twice(2 * kPeriod);
    Random::from_seed(0).fill(MutableBytes(twice).first(kPeriod));
    std::copy_n(twice.begin(), kPeriod, twice.begin() + static_cast<ptrdiff_t>(kPeriod));
    return twice;
  }();
  static Chunk chunk(bytes.data(), static_cast<uint32_t>(bytes.size()), [](Chunk*) {});
  return chunk;
}

bool Content::matches(uint64_t position, Bytes bytes) const {
  while (!bytes.empty()) {
    const Bytes part = bytes.first(std::min<size_t>(bytes.size(), kLongest));
    if (!equal(part, chunk().bytes().subspan(offset(position), part.size()))) return false;
    position += part.size();
    bytes = bytes.subspan(part.size());
  }
  return true;
}

}  // namespace viaduct::sim
