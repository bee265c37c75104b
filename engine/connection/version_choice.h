// Which version of QUIC two endpoints speak, and how each makes sure that nobody chose it for them (RFC 9368).
#pragma once

#include <cstdint>
#include <span>

#include "engine/wire/transport_error.h"
#include "engine/wire/transport_parameters.h"

namespace viaduct::quic {

// What we say of ourselves: the version chosen, all we speak, and one that does not exist, made of `random`, so that
// nobody relies on the list (RFC 9368 section 6).
VersionInformation version_information(uint32_t chosen, std::span<const uint32_t> spoken, uint32_t random);

// The first of ours that is among theirs; 0 for none.
uint32_t first_common(std::span<const uint32_t> ours, std::span<const uint32_t> theirs);

// Server: the version to go on in with a client that began in `original`. All that we speak are compatible with each
// other. preferred: where clients that speak it are led; 0: nowhere.
uint32_t choose_version(uint32_t original, uint32_t preferred, const TransportParameters& client);

// Server: a client names the version of its first packets, and that it speaks it (section 4).
TransportError check_client_version(uint32_t original, const TransportParameters& client);
// Client: the server names the version in use, and would not rather have had another of ours (section 4). negotiated:
// we began in `original` only because of a Version Negotiation packet.
TransportError check_server_version(uint32_t original, uint32_t in_use, bool negotiated, std::span<const uint32_t> ours,
                                    const TransportParameters& server);

}  // namespace viaduct::quic
