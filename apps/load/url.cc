#include "apps/load/url.h"

#include <charconv>
#include <format>

namespace viaduct::load {

std::expected<Url, std::string> Url::parse(std::string_view text) {
  const auto wrong = [&](std::string_view expected) {
    return std::unexpected(std::format("'{}': expected {}", text, expected));
  };
  constexpr std::string_view kScheme = "https://";
  if (!text.starts_with(kScheme)) return wrong("a URL that begins with https://");
  const std::string_view rest = text.substr(kScheme.size());
  const size_t slash = rest.find_first_of("/?#");
  Url url;
  url.authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  path = path.substr(0, path.find('#'));
  url.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  for (const char c : url.path) {
    if (c <= ' ' || c == 0x7f) return wrong("a path without spaces and control characters (write them as %XX)");
  }

  std::string_view host = url.authority;
  if (host.find('@') != std::string_view::npos) return wrong("a URL without user and password");
  std::string_view port;
  const size_t bracket = host.find(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
      return wrong("a port from 1 to 65535 behind the colon (an IPv6 address stands in brackets)");
  }
  if (host.starts_with('[') != host.ends_with(']')) return wrong("brackets around an IPv6 address");
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return wrong("a host behind https://");
  url.host = host;
  return url;
}

}  // namespace viaduct::load
