// Packet protection by Intel's ipsec-mb for the AEADs, or by our own AES-GCM, and by our own kernels for header masks.
#pragma once

#include <memory>

#include "crypto-offload/gcm_choice.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

enum class IpsecMbClass : uint8_t { kBest, kSse, kAvx2, kAvx512 };

// Null where the CPU lacks the class or the library's self-test failed. `choice`: which packets our own kernel takes; a
// CPU that vaes_gcm cannot use has none, and one that mixes both needs the class of ipsec-mb that uses VAES, too.
std::unique_ptr<PacketProtector> make_ipsec_mb_protector(IpsecMbClass instructions, const ProtectorOptions& options,
                                                         const GcmChoice& choice = {});

}  // namespace viaduct::crypto
