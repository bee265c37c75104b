#include "apps/http3/answer_memo.h"

#include <cstring>
#include <span>

#include "base/scaled.h"
#include "base/siphash.h"

namespace viaduct::http3 {

AnswerMemo::~AnswerMemo() {
  for (Place& place : std::span(places_.get(), kPlaces)) {
    if (place.answer.chunk) place.answer.chunk->drop();
  }
}

const AnswerMemo::Answer* AnswerMemo::find(Bytes section, Instant now) {
  if (section.empty() || section.size() > kLongestSection) return nullptr;
  const uint64_t hash = siphash(SipKey{}, section);
  Place& place = places_[scaled(hash, kPlaces)];
  if (place.hash != hash || !is_valid(place, now)) return nullptr;
  if (!equal(section, {place.section.data(), place.size})) return nullptr;
  place.was_used = true;
  return &place.answer;
}

void AnswerMemo::remember(Bytes section, const Answer& answer, Instant now) {
  if (section.empty() || section.size() > kLongestSection || now >= answer.terms.until) return;
  const uint64_t hash = siphash(SipKey{}, section);
  Place& place = places_[scaled(hash, kPlaces)];
  if (place.was_used && is_valid(place, now)) {
    place.was_used = false;
    return;
  }
  answer.chunk->hold();
  if (place.answer.chunk) {
    place.answer.chunk->drop();
  } else {
    chunks_.add(1);
  }
  place.hash = hash;
  place.generation = generation_;
  place.answer = answer;
  place.size = static_cast<uint16_t>(section.size());
  place.was_used = false;
  std::memcpy(place.section.data(), section.data(), section.size());
}

}  // namespace viaduct::http3
