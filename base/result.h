// A value, or why there is none.
#pragma once

#include <expected>

#include "base/verdict.h"

namespace viaduct {

// What a packet, a file or a peer can make fail. The error is a verdict unless a module has a richer one
// (a transport error with its code, a configuration error with its place).
template <class T, class Error = Verdict>
using Result = std::expected<T, Error>;

using std::unexpected;

}  // namespace viaduct
