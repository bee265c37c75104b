// What every fuzz target has in common: LLVMFuzzerTestOneInput() is all that it defines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/bytes.h"

namespace viaduct::fuzz {

// Of the code under test, which must hold for any input: the promise that is broken, or nothing.
inline void require_none(std::string_view broken_promise) {
  if (broken_promise.empty()) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(broken_promise.size()), broken_promise.data());
  std::abort();
}

// The same where it holds or not.
inline void require(bool holds, const char* promise) {
  if (!holds) require_none(promise);
}

}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
