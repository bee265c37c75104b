#include "crypto-offload/packet_protector.h"

#include "crypto-offload/ipsec_mb_protector.h"
#include "crypto-offload/openssl_protector.h"

namespace viaduct::crypto {

std::unique_ptr<PacketProtector> make_protector(std::string_view name, const ProtectorOptions& options) {
  if (name.empty()) {
    auto best = make_ipsec_mb_protector(IpsecMbClass::kBest, options);
    return best ? std::move(best) : make_openssl_protector();
  }
  if (name == "openssl") return make_openssl_protector();
  if (name == "ipsec-mb") return make_ipsec_mb_protector(IpsecMbClass::kBest, options);
  if (name == "ipsec-mb-sse") return make_ipsec_mb_protector(IpsecMbClass::kSse, options);
  if (name == "ipsec-mb-avx2") return make_ipsec_mb_protector(IpsecMbClass::kAvx2, options);
  if (name == "ipsec-mb-avx512") return make_ipsec_mb_protector(IpsecMbClass::kAvx512, options);
  return nullptr;
}

}  // namespace viaduct::crypto
