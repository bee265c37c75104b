// Packet protection by Intel's ipsec-mb for the AEADs and by our own kernels for header masks.
#pragma once

#include <memory>

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

enum class IpsecMbClass : uint8_t { kBest, kSse, kAvx2, kAvx512 };

// Null where the CPU lacks the class or the library's self-test failed.
std::unique_ptr<PacketProtector> make_ipsec_mb_protector(IpsecMbClass instructions, const ProtectorOptions& options);

}  // namespace viaduct::crypto
