// From secrets to keys (RFC 9001 sections 5 and 6, RFC 9369 section 3.3).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto-offload/hkdf.h"
#include "crypto-offload/packet_protector.h"

namespace viaduct::crypto {

inline constexpr uint32_t kQuicVersion1 = 0x00000001;
inline constexpr uint32_t kQuicVersion2 = 0x6b3343cf;

// A version other than kQuicVersion2 is treated as version 1 by all of these. Any thread.

// The secrets of Initial packets, made from the destination connection ID of the client's first one. Their
// AEAD is AES-128-GCM.
struct InitialSecrets {
  Secret client;
  Secret server;
};
// meets RFC 9001 5.2-2
InitialSecrets initial_secrets(uint32_t version, Bytes destination_connection_id);

// Packet and header keys from a traffic secret; the secret's size says which hash.
RawKeys derive_keys(uint32_t version, Aead aead, Bytes secret);
// The secret of the next key phase (RFC 9001 section 6.1).
Secret next_secret(uint32_t version, Bytes secret);
// The packet key of the next phase. The header key is not among them: it stays what it was.
RawKeys derive_next_keys(uint32_t version, Aead aead, Bytes next_secret);

// Integrity of Retry packets (RFC 9001 section 5.8). retry: the packet without its tag.
using RetryTag = std::array<uint8_t, kTagSize>;
RetryTag retry_integrity_tag(uint32_t version, Bytes original_destination_connection_id, Bytes retry);
// True where `retry`, a whole Retry packet with its tag, is intact.
bool verify_retry(uint32_t version, Bytes original_destination_connection_id, Bytes retry);

}  // namespace viaduct::crypto
