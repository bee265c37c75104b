// Bytes that follow from the stream and the position, so that whoever receives them knows what they must be.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/chunk.h"

namespace viaduct::sim {

// Two directions of a stream have different bytes.
enum class Sender : uint8_t { kClient = 0, kServer = 1 };

class Content {
 public:
  Content(uint64_t stream, Sender sender) : start_((stream * 977 + static_cast<uint64_t>(sender) * 31'337) % kPeriod) {}

  // A part of chunk() that holds the bytes from a position on, at most kLongest of them.
  static constexpr uint32_t kLongest = 65'521;
  static Chunk& chunk();
  uint32_t offset(uint64_t position) const { return static_cast<uint32_t>((start_ + position) % kPeriod); }

  bool matches(uint64_t position, Bytes bytes) const;

 private:
  static constexpr uint64_t kPeriod = kLongest;  // a prime
  uint64_t start_;
};

}  // namespace viaduct::sim
