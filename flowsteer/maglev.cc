#include "flowsteer/maglev.h"

#include <algorithm>

namespace viaduct::flowsteer {
namespace {

// Mixes all bits of a number into all bits (the finalizer of MurmurHash3).
uint64_t spread(uint64_t value) {
  value = (value ^ value >> 33) * 0xff51afd7ed558ccd;
  value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53;
  return value ^ value >> 33;
}

// Takes the places of its own order one after the other.
class Walker {
 public:
  Walker(const MaglevMember& member, size_t size)
      : member_(member),
        size_(size),
        place_(spread(member.identity) % size),
        skip_(spread(member.identity ^ 0x9e3779b97f4a7c15) % (size - 1) + 1) {}

  // The first of its places that is still free.
  void take(std::vector<uint16_t>& places) {
    while (places[place_] != MaglevTable::kNobody) step();
    places[place_] = member_.value;
    step();
  }
  // True as often as the weight is of the heaviest one's.
  bool is_its_turn(uint64_t heaviest) {
    credit_ += member_.weight;
    if (credit_ < heaviest) return false;
    credit_ -= heaviest;
    return true;
  }

 private:
  void step() { place_ = (place_ + skip_) % size_; }

  MaglevMember member_;
  size_t size_;
  uint64_t place_;
  uint64_t skip_;
  uint64_t credit_ = 0;
};

}  // namespace

MaglevTable::MaglevTable(std::span<const MaglevMember> members, size_t size) {
  std::vector<MaglevMember> sorted(members.begin(), members.end());
  std::erase_if(sorted, [](const MaglevMember& member) { return member.weight == 0; });
  if (sorted.empty()) return;
  std::ranges::sort(sorted, {}, &MaglevMember::identity);
  const uint64_t heaviest = std::ranges::max(sorted, {}, &MaglevMember::weight).weight;
  std::vector<Walker> walkers;
  for (const MaglevMember& member : sorted) walkers.emplace_back(member, size);

  places_.assign(size, kNobody);
  for (size_t taken = 0; taken < size;) {
    for (Walker& walker : walkers) {
      if (taken == size) break;
      if (!walker.is_its_turn(heaviest)) continue;
      walker.take(places_);
      ++taken;
    }
  }
}

double MaglevTable::moved_from(const MaglevTable& other) const {
  const size_t size = std::max(places_.size(), other.places_.size());
  if (size == 0) return 0;
  if (places_.empty() || other.places_.empty()) return 1;
  size_t moved = 0;
  for (size_t i = 0; i < size; ++i) moved += places_[i] != other.places_[i];
  return static_cast<double>(moved) / static_cast<double>(size);
}

}  // namespace viaduct::flowsteer
