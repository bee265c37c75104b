// Maglev: a table that spreads hashes over members by weight, and changes little when the members change
// (Eisenbud et al., NSDI 2016, section 3.4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/scaled.h"

namespace viaduct::flowsteer {

// A member of the table. Whoever builds a table from equal members, in whatever order, gets the same table.
struct MaglevMember {
  uint64_t identity = 0;  // the same in all instances: a hash of the member's name
  uint32_t weight = 0;    // 0: gets nothing
  uint16_t value = 0;     // what a look-up gives; below MaglevTable::kNobody
};

// Immutable once made.
class MaglevTable {
 public:
  // A prime, so that every step reaches every place; about a hundred places for each of some hundred members.
  static constexpr size_t kDefaultSize = 65537;
  static constexpr uint16_t kNobody = 0xffff;

  MaglevTable() = default;
  // size: a prime. Members have different identities. Members without weight may be left out as well.
  explicit MaglevTable(std::span<const MaglevMember> members, size_t size = kDefaultSize);

  // Whose the hash is: kNobody where no member has a weight. All 64 bits of the hash should be even.
  uint16_t at(uint64_t hash) const {
    if (places_.empty()) return kNobody;
    return places_[scaled(hash, places_.size())];
  }

  std::span<const uint16_t> places() const { return places_; }
  // What part of all hashes this table gives to somebody else than `other` does, 0 to 1; both have one size or are
  // empty.
  double moved_from(const MaglevTable& other) const;

 private:
  std::vector<uint16_t> places_;
};

}  // namespace viaduct::flowsteer
