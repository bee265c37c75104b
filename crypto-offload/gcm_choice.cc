#include "crypto-offload/gcm_choice.h"

namespace viaduct::crypto {
namespace {

std::string sizes_of(const std::array<bool, kTriedSizes.size()>& chosen) {
  std::string sizes;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) sizes += ' ' + std::to_string(kTriedSizes[i]);
  }
  return sizes.empty() ? " none" : sizes;
}

}  // namespace

std::string describe(const GcmChoice& choice) {
  if (choice == GcmChoice()) return "ipsec-mb";
  if (choice == GcmChoice::all()) return "vaes";
  return "vaes (seals" + sizes_of(choice.seal) + "; opens" + sizes_of(choice.open) + ") and ipsec-mb";
}

}  // namespace viaduct::crypto
