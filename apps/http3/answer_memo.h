// What was answered the last time: clients ask the same over and over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/slab.h"
#include "base/worker_stats.h"

namespace viaduct::http3 {

// An application's word that an answer may be given again, byte for byte, to whoever asks with the same field section.
struct Repeatable {
  Instant until;      // not from then on, nor after Server::forget_answers()
  uint64_t mark = 0;  // the application's own; it is told of each repetition by it
};

// From the bytes of a request's field section to its whole answer, which lies in one chunk that all responses share. A
// fixed number of places, found as those of SectionMemo are, and kept by the same rule. One thread.
class AnswerMemo {
 public:
  static constexpr size_t kPlaces = 256;
  static constexpr size_t kLongestSection = 432;

  struct Answer {
    PooledChunk* chunk = nullptr;  // null: nothing is here
    uint32_t length = 0;           // bytes of the chunk, from its first on
    Repeatable terms;
  };

  AnswerMemo() : places_(new Place[kPlaces]) {}
  ~AnswerMemo();
  AnswerMemo(const AnswerMemo&) = delete;
  AnswerMemo& operator=(const AnswerMemo&) = delete;

  // The answer to this very section; null where there is none that may be given now. Until the next call.
  const Answer* find(Bytes section, Instant now);
  // Takes a reference of its own to the chunk, where it keeps the answer.
  void remember(Bytes section, const Answer& answer, Instant now);
  // None of those so far may be given any more. Their chunks go when others take their places.
  void forget_all() { ++generation_; }
  // Chunks that it refers to. Any thread.
  uint64_t chunks() const { return chunks_.value(); }

 private:
  struct alignas(64) Place {
    uint64_t hash = 0;
    uint64_t generation = 0;
    Answer answer;
    uint16_t size = 0;
    bool was_used = false;
    std::array<uint8_t, kLongestSection> section;
  };

  bool is_valid(const Place& place, Instant now) const {
    return place.answer.chunk && place.generation == generation_ && now < place.answer.terms.until;
  }

  std::unique_ptr<Place[]> places_;
  uint64_t generation_ = 0;
  Counter chunks_;
};

}  // namespace viaduct::http3
