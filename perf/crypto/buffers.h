// Packets at random places in their pages: buffers at strides of a page compete for the same cache sets.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace viaduct::perf {

class Buffers {
 public:
  Buffers(size_t count, size_t size, std::mt19937_64& random) {
    const size_t room = (size + kPage - 1) / kPage * kPage + kPage;
    memory_ = std::make_unique<uint8_t[]>(count * room);
    for (size_t i = 0; i < count * room; ++i) memory_[i] = static_cast<uint8_t>(random());
    for (size_t i = 0; i < count; ++i) places_.push_back(memory_.get() + i * room + random() % kPage);
  }

  uint8_t* operator[](size_t i) const { return places_[i]; }

 private:
  static constexpr size_t kPage = 4096;
  std::unique_ptr<uint8_t[]> memory_;
  std::vector<uint8_t*> places_;
};

}  // namespace viaduct::perf
