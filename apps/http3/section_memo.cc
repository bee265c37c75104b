#include "apps/http3/section_memo.h"

#include <cstring>

#include "base/scaled.h"

namespace viaduct::http3 {
namespace {

uint64_t hash_of(Bytes text) {
  uint64_t hash = text.size();
  size_t at = 0;
  for (uint64_t word; text.size() - at >= sizeof word; at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    hash = mixed(hash, word);
  }
  uint64_t last = 0;
  if (at < text.size()) std::memcpy(&last, text.data() + at, text.size() - at);
  return mixed(hash, last);
}

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
