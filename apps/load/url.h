// "https://host[:port]/path" taken apart.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace viaduct::load {

struct Url {
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 443;
  std::string authority;  // as a request says it
  std::string path;       // with the query; "/" where there is none

  // The error says what was expected.
  static std::expected<Url, std::string> parse(std::string_view text);
};

}  // namespace viaduct::load
