// IP addresses, transport addresses and the 4-tuple of a packet.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace viaduct {

// An IPv4 or IPv6 address in 16 bytes; IPv4 is kept in its mapped form (::ffff:a.b.c.d), so that
// both families compare and hash alike.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
  }
  static IpAddress v4(const uint8_t* four) { return v4(four[0], four[1], four[2], four[3]); }
  static IpAddress v6(const uint8_t* sixteen) {
    IpAddress address;
    std::memcpy(address.bytes.data(), sixteen, 16);
    return address;
  }
  // Numeric text of either family; empty for anything else (no names are resolved).
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), kMapped, sizeof kMapped) == 0;
  }
  // The four bytes of an IPv4 address; only where is_v4().
  const uint8_t* v4_bytes() const { return bytes.data() + 12; }
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;
};

// An address and a UDP port (host byte order).
struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // "198.18.0.1:443" or "[2001:db8::1]:443".
  static std::optional<SocketAddress> parse(std::string_view text);
  std::string to_string() const;

  auto operator<=>(const SocketAddress&) const = default;
};

// The two ends of a packet as this host sees them: local is ours, remote is the peer's.
struct Path {
  SocketAddress local;
  SocketAddress remote;

  auto operator<=>(const Path&) const = default;
};

}  // namespace viaduct
