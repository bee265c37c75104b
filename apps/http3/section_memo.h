// What the codec made of a section the last time: clients and servers say the same over and over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace viaduct::http3 {

// From the bytes of a section to what they mean, byte for byte; a fixed number of places in fixed memory. Only for what
// depends on these bytes alone, as a section does that refers to no dynamic table. One thread.
//
// A place keeps what was asked for again since another text wanted it: texts that come once do not drive out those that
// come often. The hash has no secret: whoever makes texts that meet in a place can make us forget, and no more. That a
// text was here before can be measured only by who sends all of it, so nothing is learned about parts of what others
// sent (RFC 9204 section 7.1).
class SectionMemo {
 public:
  static constexpr size_t kPlaces = 256;
  // Of text and meaning together; what is longer is not remembered.
  static constexpr size_t kRoom = 1008;

  SectionMemo() : places_(new Place[kPlaces]) {}

  // What was remembered of this very text; empty where nothing was. Until the next remember().
  Bytes find(Bytes text);
  void remember(Bytes text, Bytes meaning);

 private:
  struct alignas(64) Place {
    uint64_t hash = 0;
    uint16_t text_size = 0;  // 0: nothing is here
    uint16_t meaning_size = 0;
    bool was_used = false;
    std::array<uint8_t, kRoom> bytes;
  };
  static_assert(sizeof(Place) == 1024);

  std::unique_ptr<Place[]> places_;
};

}  // namespace viaduct::http3
