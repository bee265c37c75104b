// Ethernet addresses.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct::net {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  // "02:00:5e:00:53:01"; empty for anything else.
  static std::optional<MacAddress> parse(std::string_view text);
  std::string to_string() const;
  bool is_zero() const { return bytes == std::array<uint8_t, 6>{}; }
  bool is_group() const { return bytes[0] & 1; }  // multicast or broadcast

  auto operator<=>(const MacAddress&) const = default;
};

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace viaduct::net
