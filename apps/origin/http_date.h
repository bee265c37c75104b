// HTTP's date format (RFC 9110 section 5.6.7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace viaduct::origin {

inline constexpr size_t kHttpDateSize = 29;

// "Sun, 06 Nov 1994 08:49:37 GMT", of seconds since 1970.
struct HttpDate {
  std::array<char, kHttpDateSize> text{};

  HttpDate() = default;
  explicit HttpDate(int64_t unix_seconds);
  std::string_view view() const { return {text.data(), text.size()}; }
};

// Seconds since 1970, of all three forms that a recipient has to read; empty for anything else.
std::optional<int64_t> parse_http_date(std::string_view text);

}  // namespace viaduct::origin
