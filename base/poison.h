// Tells the address sanitizer which memory of a pool is free, so that using it is found like any other use after
// free. Costs nothing in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define VIADUCT_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIADUCT_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef VIADUCT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace viaduct {

inline void poison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef VIADUCT_ADDRESS_SANITIZER
  __asan_poison_memory_region(memory, size);
#endif
}

inline void unpoison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef VIADUCT_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(memory, size);
#endif
}

}  // namespace viaduct
