#include "crypto-offload/packet_protector.h"

#include "crypto-offload/gcm_calibration.h"
#include "crypto-offload/ipsec_mb_protector.h"
#include "crypto-offload/openssl_protector.h"
#include "crypto-offload/protector_self_test.h"
#include "crypto-offload/vaes_gcm.h"

namespace viaduct::crypto {
namespace {

std::unique_ptr<PacketProtector> make_named(std::string_view name, const ProtectorOptions& options) {
  if (name == "openssl") return make_openssl_protector();
  if (name == "ipsec-mb") return make_ipsec_mb_protector(IpsecMbClass::kBest, options);
  if (name == "vaes") {
    return vaes_gcm::usable() ? make_ipsec_mb_protector(IpsecMbClass::kBest, options, GcmChoice::all()) : nullptr;
  }
  if (name == "ipsec-mb-sse") return make_ipsec_mb_protector(IpsecMbClass::kSse, options);
  if (name == "ipsec-mb-avx2") return make_ipsec_mb_protector(IpsecMbClass::kAvx2, options);
  if (name == "ipsec-mb-avx512") return make_ipsec_mb_protector(IpsecMbClass::kAvx512, options);
  return nullptr;
}

// Measured once, so that all workers do the same.
const GcmChoice& best_choice() {
  static const GcmChoice choice = [] {
    const ProtectorOptions small{.schedules = 64};
    const auto library = make_named("ipsec-mb", small);
    const auto ours = make_named("vaes", small);
    const bool both = library && ours && passes_self_test(*ours);
    return both ? measure_gcm(*library, *ours) : GcmChoice();
  }();
  return choice;
}

// Null where what was measured to be the best mix does not work as one.
std::unique_ptr<PacketProtector> make_best(const ProtectorOptions& options) {
  for (const GcmChoice& choice : {best_choice(), GcmChoice()}) {
    auto protector = make_ipsec_mb_protector(IpsecMbClass::kBest, options, choice);
    if (protector && passes_self_test(*protector)) return protector;
  }
  return nullptr;
}

}  // namespace

// Code for an instruction set that this CPU has may still be wrong on it, or be miscompiled.
std::unique_ptr<PacketProtector> make_protector(std::string_view name, const ProtectorOptions& options) {
  if (name.empty()) {
    auto best = make_best(options);
    return best ? std::move(best) : make_openssl_protector();
  }
  auto protector = make_named(name, options);
  return protector && passes_self_test(*protector) ? std::move(protector) : nullptr;
}

}  // namespace viaduct::crypto
