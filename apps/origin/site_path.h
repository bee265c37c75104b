// From a request's path to a file below the root.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace viaduct::origin {

// Longest path below the root, in bytes.
inline constexpr size_t kMaxSitePath = 1023;

// Writes the path below the root that `target` (":path", with or without a query) names, without a leading slash and
// ended by NUL, into room of kMaxSitePath + 1 bytes; "index.html" is added to a folder's name. Empty for what must not
// be served: a bad percent-encoding, an encoded slash, NUL or control character, an empty, "." or ".." segment, a
// hidden name (with a leading dot), or too long a path.
std::string_view resolve_site_path(std::string_view target, MutableBytes room);

// "text/html; charset=utf-8" for "a/b.html"; "application/octet-stream" where the ending says nothing.
std::string_view content_type_of(std::string_view path);

}  // namespace viaduct::origin
