#include "crypto-offload/packet_protector.h"

#include "crypto-offload/ipsec_mb_protector.h"
#include "crypto-offload/openssl_protector.h"
#include "crypto-offload/protector_self_test.h"

namespace viaduct::crypto {
namespace {

std::unique_ptr<PacketProtector> make_named(std::string_view name, const ProtectorOptions& options) {
  if (name == "openssl") return make_openssl_protector();
  if (name == "ipsec-mb") return make_ipsec_mb_protector(IpsecMbClass::kBest, options);
  if (name == "ipsec-mb-sse") return make_ipsec_mb_protector(IpsecMbClass::kSse, options);
  if (name == "ipsec-mb-avx2") return make_ipsec_mb_protector(IpsecMbClass::kAvx2, options);
  if (name == "ipsec-mb-avx512") return make_ipsec_mb_protector(IpsecMbClass::kAvx512, options);
  return nullptr;
}

}  // namespace

// Code for an instruction set that this CPU has may still be wrong on it, or be miscompiled.
std::unique_ptr<PacketProtector> make_protector(std::string_view name, const ProtectorOptions& options) {
  auto protector = make_named(name.empty() ? "ipsec-mb" : name, options);
  if (protector && passes_self_test(*protector)) return protector;
  return name.empty() ? make_openssl_protector() : nullptr;
}

}  // namespace viaduct::crypto
