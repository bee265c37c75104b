// What becomes of a datagram at an endpoint. One per datagram; what became of each packet in it is in EndpointStats.
#pragma once

#include "base/verdict.h"

namespace viaduct::quic {

#define VIADUCT_ENGINE_VERDICTS(X)                                                                                     \
  X(kAccepted, "accepted", "at least one packet in it was processed by a connection", "RFC 9000 section 12.2")         \
  X(kNewConnection, "new-connection", "a valid Initial that began a connection", "RFC 9000 section 7")                 \
  X(kVersionUnknown, "version-unknown", "a version that is not spoken here; answered", "RFC 9000 section 6.1")         \
  X(kVersionUnanswered, "version-unanswered", "an unknown version, too small or too many to answer",                   \
    "RFC 9000 section 5.2.2")                                                                                          \
  X(kVersionIgnored, "version-negotiation-ignored", "a Version Negotiation packet that changes nothing",               \
    "RFC 9000 section 6.2")                                                                                            \
  X(kMalformed, "malformed", "no QUIC packet header could be read", "RFC 8999 section 5")                              \
  X(kInitialTooSmall, "initial-too-small", "a client's Initial in a datagram below 1200 bytes",                        \
    "RFC 9000 section 14.1")                                                                                           \
  X(kInitialInvalid, "initial-invalid", "an Initial for no connection that is no valid first one",                     \
    "RFC 9000 section 7.2")                                                                                            \
  X(kNoConnection, "no-connection", "for no connection of ours, and not answered", "RFC 9000 section 5.2")             \
  X(kResetSent, "stateless-reset-sent", "for no connection of ours; answered by a stateless reset",                    \
    "RFC 9000 section 10.3")                                                                                           \
  X(kResetReceived, "stateless-reset-received", "a stateless reset that ended a connection",                           \
    "RFC 9000 section 10.3.1")                                                                                         \
  X(kUnprotectFailed, "unprotect-failed", "no packet in it could be authenticated", "RFC 9001 section 5.5")            \
  X(kKeysUnavailable, "keys-unavailable", "no packet in it had keys: too early or too late", "RFC 9001 section 5.7")   \
  X(kDeferred, "deferred", "kept until TLS has made its keys", "RFC 9001 section 5.7")                                 \
  X(kNoMemory, "no-memory", "no pool had room for what it brings; not acknowledged", "RFC 9000 section 21.6")          \
  X(kWrongPath, "wrong-path", "came to a client from another address than its server's", "RFC 9000 section 9")         \
  X(kDuplicate, "duplicate", "every packet in it was received before", "RFC 9000 section 12.3")                        \
  X(kConnectionClosing, "connection-closing", "for a connection that is closing or draining", "RFC 9000 section 10.2") \
  X(kProtocolError, "protocol-error", "authentic, and its content closed the connection", "RFC 9000 section 11")       \
  X(kHalfOpenLimit, "half-open-limit", "would begin a connection beyond the limit of handshakes",                      \
    "RFC 9000 section 21.3")                                                                                           \
  X(kHalfOpenPrefixLimit, "half-open-prefix-limit", "would begin a connection beyond the limit of its network",        \
    "RFC 9000 section 21.3")                                                                                           \
  X(kRetrySent, "retry-sent", "would begin a connection; answered by a Retry", "RFC 9000 section 8.1.2")               \
  X(kRetryUnanswered, "retry-unanswered", "would be answered by a Retry, and too many answers wait",                   \
    "RFC 9000 section 8.1.2")                                                                                          \
  X(kTokenExpired, "token-expired", "an Initial with a Retry token that is too old; refused",                          \
    "RFC 9000 section 8.1.3")                                                                                          \
  X(kTokenForged, "token-forged", "an Initial with a Retry token that is not its sender's; refused",                   \
    "RFC 9000 section 8.1.3")                                                                                          \
  X(kConnectionLimit, "connection-limit", "would begin a connection beyond the pool", "RFC 9000 section 5.2.2")        \
  X(kNotAccepting, "not-accepting", "would begin a connection at an endpoint that is a client or shuts down",          \
    "RFC 9000 section 5.2.2")

VIADUCT_DEFINE_VERDICTS(VerdictRange::kEngine, VIADUCT_ENGINE_VERDICTS)

}  // namespace viaduct::quic
