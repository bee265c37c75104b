// What 0-RTT packets rest on: limits of an earlier connection that still hold (RFC 9000 section 7.4.1).
#pragma once

#include <string>
#include <string_view>

#include "engine/endpoint/endpoint_config.h"
#include "engine/wire/transport_parameters.h"

namespace viaduct::quic {

// What an endpoint offers whoever the peer is: of its transport parameters, those that its configuration says.
TransportParameters offered_parameters(const EndpointConfig& config);

// Of a server's parameters, those that its client may use again before it hears of the new ones.
TransportParameters remembered_parameters(const TransportParameters& server);
// A server that takes 0-RTT must not allow less than it did (RFC 9000 section 7.4.1).
bool are_kept(const TransportParameters& remembered, const TransportParameters& now);

// For crypto::TlsServerOptions::early_data_context: all that a client with one of our tickets counts on. `application`:
// what its protocol promises, such as SETTINGS.
std::string early_data_promise(const EndpointConfig& config, std::string_view application);

}  // namespace viaduct::quic
