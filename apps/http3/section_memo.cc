#include "apps/http3/section_memo.h"

#include <cstring>

#include "base/scaled.h"
#include "base/siphash.h"

namespace viaduct::http3 {
namespace {

uint64_t hash_of(Bytes text) { return siphash(SipKey{}, text); }

}  // namespace

Bytes SectionMemo::find(Bytes text) {
  if (text.empty() || text.size() > kRoom) return {};
  const uint64_t hash = hash_of(text);
  Place& place = places_[scaled(hash, kPlaces)];
  if (place.hash != hash || !equal(text, {place.bytes.data(), place.text_size})) return {};
  place.was_used = true;
  return {place.bytes.data() + place.text_size, place.meaning_size};
}

void SectionMemo::remember(Bytes text, Bytes meaning) {
  if (text.empty() || meaning.empty() || text.size() + meaning.size() > kRoom) return;
  const uint64_t hash = hash_of(text);
  Place& place = places_[scaled(hash, kPlaces)];
  if (place.was_used) {
    place.was_used = false;
    return;
  }
  place.hash = hash;
  place.text_size = static_cast<uint16_t>(text.size());
  place.meaning_size = static_cast<uint16_t>(meaning.size());
  std::memcpy(place.bytes.data(), text.data(), text.size());
  std::memcpy(place.bytes.data() + text.size(), meaning.data(), meaning.size());
}

}  // namespace viaduct::http3
