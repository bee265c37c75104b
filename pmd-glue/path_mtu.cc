#include "pmd-glue/path_mtu.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace viaduct::net {

static_assert(std::is_trivially_copyable_v<PathMtuMessage>);

void PathMtuLog::write(const PathMtuMessage& message) {
  std::array<uint64_t, kWords> words{};
  std::memcpy(words.data(), &message, sizeof message);

  const uint64_t number = next_.fetch_add(1, std::memory_order_acq_rel);
  Slot& slot = slots_[number % kSize];
  slot.sequence.store(2 * number + 1, std::memory_order_relaxed);
  for (size_t i = 0; i < kWords; ++i) slot.words[i].store(words[i], std::memory_order_release);
  slot.sequence.store(2 * number + 2, std::memory_order_release);
}

bool PathMtuLog::read(uint64_t& cursor, PathMtuMessage& message) const {
  const uint64_t end = next_.load(std::memory_order_acquire);
  if (end - cursor > kSize) cursor = end - kSize;
  while (cursor < end) {
    const Slot& slot = slots_[cursor % kSize];
    const uint64_t whole = 2 * cursor + 2;
    const uint64_t before = slot.sequence.load(std::memory_order_acquire);
    if (before < whole) return false;  // still being written: next time
    ++cursor;
    std::array<uint64_t, kWords> words;
    for (size_t i = 0; i < kWords; ++i) words[i] = slot.words[i].load(std::memory_order_acquire);
    if (before == whole && slot.sequence.load(std::memory_order_relaxed) == whole) {
      std::memcpy(static_cast<void*>(&message), words.data(), sizeof message);
      return true;
    }
  }
  return false;
}

}  // namespace viaduct::net
