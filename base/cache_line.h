// The unit in which CPUs move memory between caches, and how it is asked for ahead of its use.
#pragma once

#include <cstddef>

namespace viaduct {

inline constexpr size_t kCacheLine = 64;

// What for: where it will be written, no other core keeps a copy.
enum class Access : int { kRead = 0, kWrite = 1 };

// `size` bytes from `memory` on. Nothing is read: it may be anything, of any thread.
template <Access access = Access::kRead>
void prefetch_bytes(const void* memory, size_t size) {
  const auto* first = static_cast<const char*>(memory);
  for (size_t at = 0; at < size; at += kCacheLine) __builtin_prefetch(first + at, static_cast<int>(access));
}

// A whole object.
template <Access access = Access::kRead, class T>
void prefetch_object(const T& object) {
  prefetch_bytes<access>(&object, sizeof(T));
}

}  // namespace viaduct
