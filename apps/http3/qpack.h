// QPACK (RFC 9204) by nghttp3's codec, without a dynamic table.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "apps/http3/fields.h"
#include "base/bytes.h"

namespace viaduct::http3 {

// Both sides of the codec for all connections of a worker.
//
// Our dynamic tables have capacity 0, in both directions, on purpose. Without them a field section means
// the same on every connection, so one codec serves a worker; an idle connection keeps no table; no
// request waits for another stream; and the peer's QPACK streams can say nothing that costs us memory. What it
// costs is some tens of bytes per request, which for a server of files is nothing beside the answer. And what was made
// of a section is remembered, whoever it was for (SectionMemo).
class Qpack {
 public:
  Qpack();
  ~Qpack();
  Qpack(const Qpack&) = delete;
  Qpack& operator=(const Qpack&) = delete;

  // Appends the encoded section; false, with `out` failed, where it does not fit.
  bool encode(std::span<const Field> fields, ByteWriter& out);

  enum class Outcome : uint8_t {
    kDone,
    kTooLarge,  // beyond the section's limit; what fitted is there
    kInvalid,   // connection error QPACK_DECOMPRESSION_FAILED
  };
  // Decodes one whole encoded section into `section`, which is cleared first.
  Outcome decode(Bytes block, FieldSection& section);

 private:
  bool encode_anew(std::span<const Field> fields, ByteWriter& out);
  Outcome decode_anew(Bytes block, FieldSection& section);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace viaduct::http3
