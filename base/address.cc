#include "base/address.h"

#include <arpa/inet.h>

#include <charconv>

namespace viaduct {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  uint8_t raw[16];
  if (inet_pton(AF_INET, terminated.c_str(), raw) == 1) return v4(raw);
  if (inet_pton(AF_INET6, terminated.c_str(), raw) == 1) return v6(raw);
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {
    inet_ntop(AF_INET, v4_bytes(), text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  if (!ip || (host.find(':') != std::string_view::npos) != bracketed) return std::nullopt;

  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return SocketAddress{*ip, port};
}

std::string SocketAddress::to_string() const {
  const std::string host = ip.is_v4() ? ip.to_string() : "[" + ip.to_string() + "]";
  return host + ":" + std::to_string(port);
}

}  // namespace viaduct
