// Which service an address and port belong to.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/scaled.h"

namespace viaduct::lb {

// Immutable, a few cache lines for some tens of services.
class ServiceTable {
 public:
  static constexpr uint16_t kNone = 0xffff;

  ServiceTable() : places_(1) {}
  // No address occurs twice; the result of find() is an index of `addresses`.
  explicit ServiceTable(std::span<const SocketAddress> addresses) {
    size_t size = 4;
    while (size < 2 * addresses.size()) size *= 2;
    places_.resize(size);
    mask_ = size - 1;
    for (size_t i = 0; i < addresses.size(); ++i) {
      Place place = key_of(addresses[i].ip.bytes.data(), addresses[i].port);
      place.service = static_cast<uint16_t>(i);
      size_t at = hash(place) & mask_;
      while (places_[at].service != kNone) at = (at + 1) & mask_;
      places_[at] = place;
    }
  }

  // ip: 16 bytes, IPv4 in its mapped form.
  uint16_t find(const uint8_t* ip, uint16_t port) const { return find(key_of(ip, port)); }
  // ip: the 4 bytes of an IPv4 address.
  uint16_t find4(const uint8_t* ip, uint16_t port) const {
    Place key;
    uint32_t four;
    std::memcpy(&four, ip, sizeof four);
    key.high = 0;
    key.low = kMapped | uint64_t{four} << 32;
    key.port = port;
    return find(key);
  }

  // How many places a look-up reads at most, of an address that is in it or not.
  size_t longest_search() const {
    return viaduct::longest_search(places_, [](const Place& place) { return place.service == kNone; });
  }

 private:
  struct Place {
    uint64_t high = 0, low = 0;
    uint16_t port = 0;
    uint16_t service = kNone;
  };
  // What precedes an IPv4 address in its mapped form, as this machine reads it.
  static constexpr uint64_t kMapped = 0xffff0000;
  static_assert(std::endian::native == std::endian::little);

  static Place key_of(const uint8_t* ip, uint16_t port) {
    Place key;
    std::memcpy(&key.high, ip, 8);
    std::memcpy(&key.low, ip + 8, 8);
    key.port = port;
    return key;
  }
  static size_t hash(const Place& key) { return static_cast<size_t>(mixed(key.low, key.high ^ key.port)); }
  uint16_t find(const Place& key) const {
    const Place* places = places_.data();
    for (size_t at = hash(key) & mask_;; at = (at + 1) & mask_) {
      const Place& place = places[at];
      if (place.service == kNone) return kNone;
      if (place.high == key.high && place.low == key.low && place.port == key.port) return place.service;
    }
  }

  std::vector<Place> places_;  // never none
  size_t mask_ = 0;
};

}  // namespace viaduct::lb
