// Whose AES-GCM protects packets: ipsec-mb's, or our own kernel for VAES.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace viaduct::crypto {

// The sizes of text that are tried, in bytes: an acknowledgement, a request, a packet, the largest packet of a usual
// link and that of a link with jumbo frames. Each stands for those about as large as it.
inline constexpr std::array<size_t, 5> kTriedSizes = {64, 256, 1200, 1452, 8952};

// What our kernel does; ipsec-mb does the rest.
struct GcmChoice {
  std::array<bool, kTriedSizes.size()> seal{};
  std::array<bool, kTriedSizes.size()> open{};

  static constexpr GcmChoice all() {
    GcmChoice choice;
    choice.seal.fill(true);
    choice.open.fill(true);
    return choice;
  }
  // Which of the tried sizes stands for `size`: between two of them, the nearer one.
  static constexpr size_t class_of(size_t size) {
    size_t index = 0;
    for (size_t i = 0; i + 1 < kTriedSizes.size(); ++i)
      index += size > (kTriedSizes[i] + kTriedSizes[i + 1]) / 2 ? 1 : 0;
    return index;
  }
  bool seals(size_t size) const { return seal[class_of(size)]; }
  bool opens(size_t size) const { return open[class_of(size)]; }

  bool operator==(const GcmChoice&) const = default;
};

// For people: "vaes", "ipsec-mb", or "vaes (seals 64 256 1200; opens 64) and ipsec-mb".
std::string describe(const GcmChoice& choice);

}  // namespace viaduct::crypto
