// Bytes whose value says where in a stream they belong, and chunks of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/chunk.h"

namespace viaduct::quic {

constexpr uint8_t pattern_at(uint64_t offset) { return static_cast<uint8_t>((offset * 0x9e3779b97f4a7c15) >> 56); }

inline std::vector<uint8_t> pattern(uint64_t offset, size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = pattern_at(offset + i);
  return bytes;
}

inline bool is_pattern(uint64_t offset, Bytes bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_at(offset + i)) return false;
  }
  return true;
}

// A chunk that holds pattern(offset, size); lives as long as the test.
class PatternChunk {
 public:
  PatternChunk(uint64_t offset, size_t size)
      : bytes_(pattern(offset, size)), chunk_(bytes_.data(), static_cast<uint32_t>(size), [](Chunk*) {}) {}
  Chunk* get() { return &chunk_; }

 private:
  std::vector<uint8_t> bytes_;
  Chunk chunk_;
};

}  // namespace viaduct::quic
