#include "flowsteer/shard_map.h"

#include <numeric>
#include <utility>

#include "flowsteer/invariants.h"

namespace viaduct::flowsteer {
namespace {

// An order of the 256 octets that only the secret tells.
std::array<uint8_t, ShardMap::kOctets> shuffled_octets(const SipKey& secret) {
  std::array<uint8_t, Random::kSeedSize> seed{};
  for (uint8_t part = 0; part < seed.size() / 8; ++part) {
    const uint8_t label[] = {'s', 'h', 'a', 'r', 'd', part};
    const uint64_t word = siphash24(secret, label);
    for (size_t i = 0; i < 8; ++i) seed[part * 8 + i] = static_cast<uint8_t>(word >> 8 * i);
  }
  Random random(seed);
  std::array<uint8_t, ShardMap::kOctets> octets;
  std::iota(octets.begin(), octets.end(), uint8_t{0});
  for (size_t i = octets.size() - 1; i > 0; --i) std::swap(octets[i], octets[random.below(i + 1)]);
  return octets;
}

}  // namespace

ShardMap::ShardMap(const SipKey& secret, unsigned workers, size_t id_length)
    : secret_(secret), workers_(workers), id_length_(id_length), octets_(shuffled_octets(secret)) {
  for (unsigned worker = 0; worker < workers; ++worker) {
    first_[worker] = static_cast<uint16_t>(worker * kOctets / workers);
    first_[worker + 1] = static_cast<uint16_t>((worker + 1) * kOctets / workers);
    for (const uint8_t octet : octets_of(worker)) owners_[octet] = static_cast<uint8_t>(worker);
  }
}

unsigned ShardMap::owner_of_datagram(Bytes datagram) const {
  const auto header = parse_invariants(datagram, id_length_);
  if (header) return owner_of(header->dcid);
  return static_cast<unsigned>(siphash(secret_, datagram.first(std::min<size_t>(datagram.size(), 8))) % workers_);
}

uint8_t ShardMap::octet_for(unsigned worker, Random& random) const {
  const auto octets = octets_of(worker);
  return octets[random.below(octets.size())];
}

}  // namespace viaduct::flowsteer
