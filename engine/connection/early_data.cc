#include "engine/connection/early_data.h"

#include <algorithm>
#include <array>

namespace viaduct::quic {
namespace {

// RFC 9000 section 7.4.1, RFC 9221 section 3: limits that a client's 0-RTT packets may use up.
constexpr uint64_t TransportParameters::* kLimits[] = {
    &TransportParameters::initial_max_data,
    &TransportParameters::initial_max_stream_data_bidi_local,
    &TransportParameters::initial_max_stream_data_bidi_remote,
    &TransportParameters::initial_max_stream_data_uni,
    &TransportParameters::initial_max_streams_bidi,
    &TransportParameters::initial_max_streams_uni,
    &TransportParameters::active_connection_id_limit,
    &TransportParameters::max_datagram_frame_size,
};

}  // namespace

TransportParameters offered_parameters(const EndpointConfig& config) {
  TransportParameters own;
  own.max_idle_timeout = static_cast<uint64_t>(config.idle_timeout.ms());
  own.max_udp_payload_size = config.max_receive_payload;
  own.initial_max_data = config.connection_window;
  own.initial_max_stream_data_bidi_local = config.stream_window;
  own.initial_max_stream_data_bidi_remote = config.stream_window;
  own.initial_max_stream_data_uni = config.stream_window;
  own.initial_max_streams_bidi = config.max_streams_bidi;
  own.initial_max_streams_uni = config.max_streams_uni;
  own.max_ack_delay = static_cast<uint64_t>(config.max_ack_delay.ms());
  own.active_connection_id_limit = config.active_connection_ids;
  own.max_datagram_frame_size = config.max_datagram_frame_size;
  own.reset_stream_at = true;
  own.min_ack_delay = static_cast<uint64_t>(config.min_ack_delay.us());
  own.grease_quic_bit = config.grease_quic_bit;
  return own;
}

// meets RFC 9000 7.4.1-2 7.4.1-4
TransportParameters remembered_parameters(const TransportParameters& server) {
  TransportParameters remembered;
  for (const auto limit : kLimits) remembered.*limit = server.*limit;
  return remembered;
}

// meets RFC 9000 7.4.1-5 7.4.1-6
// meets RFC 9221 3-7
bool are_kept(const TransportParameters& remembered, const TransportParameters& now) {
  return std::ranges::all_of(kLimits, [&](const auto limit) { return now.*limit >= remembered.*limit; });
}

// A ticket that promised otherwise is good for a session, and not for 0-RTT.
// meets RFC 9000 7.4.1-8
// meets RFC 9221 3-6
std::string early_data_promise(const EndpointConfig& config, std::string_view application) {
  const TransportParameters own = offered_parameters(config);
  std::string promise;
  for (const auto limit : kLimits) promise += std::to_string(own.*limit) + ' ';
  return promise.append(application);
}

}  // namespace viaduct::quic
