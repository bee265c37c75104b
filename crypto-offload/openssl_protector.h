// Packet protection by OpenSSL's EVP: the reference that the others are compared with, for any CPU.
#pragma once

#include <memory>

#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

std::unique_ptr<PacketProtector> make_openssl_protector();

}  // namespace viaduct::crypto
