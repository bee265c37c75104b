// Whether a provider of packet protection computes what it should on this very CPU.
#pragma once

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

// Seals, opens and masks with every AEAD, in the shapes that take different ways through a provider, and compares with
// OpenSSL. Takes less than a millisecond; at start.
bool passes_self_test(PacketProtector& protector);

}  // namespace viaduct::crypto
