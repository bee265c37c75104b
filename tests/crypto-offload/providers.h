// The providers of packet protection that tests go through.
#pragma once

#include <memory>
#include <string_view>

#include "crypto-offload/ipsec_mb_protector.h"
#include "crypto-offload/packet_protector.h"
#include "crypto-offload/vaes_gcm.h"
#include "tests/crypto-offload/vaes_interpreter.h"

namespace viaduct::crypto {

inline constexpr const char* kProviders[] = {"openssl",       "ipsec-mb",        "ipsec-mb-sse",
                                             "ipsec-mb-avx2", "ipsec-mb-avx512", "vaes"};

// As make_protector() does; "vaes" also where its instructions have to be interpreted. Null where it cannot be had.
inline std::unique_ptr<PacketProtector> make_provider(std::string_view name, const ProtectorOptions& options = {}) {
  if (name != "vaes") return make_protector(name, options);
  return run_vaes_here() ? make_ipsec_mb_protector(IpsecMbClass::kBest, options, GcmChoice::all()) : nullptr;
}

}  // namespace viaduct::crypto
