// Transport parameters as they come in a TLS extension. The first byte says who sent them.
#include "engine/wire/transport_parameters.h"

#include <array>

#include "tests/engine/wire/promises.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct;
  using fuzz::require;
  if (size == 0) return 0;
  const quic::Role sender = (data[0] & 1) != 0 ? quic::Role::kServer : quic::Role::kClient;
  quic::TransportParameters parameters;
  if (quic::decode_transport_parameters({data + 1, size - 1}, sender, parameters)) return 0;
  fuzz::require_none(quic::test::broken_promise(parameters));

  // What was understood can be said again, and means the same.
  std::array<uint8_t, quic::kMaxEncodedTransportParameters> encoded;
  const size_t length = quic::encode_transport_parameters(parameters, sender, 0, encoded);
  require(length > 0, "any parameters fit their bound");
  quic::TransportParameters again;
  require(!quic::decode_transport_parameters({encoded.data(), length}, sender, again), "what we encode is valid");
  require(again == parameters, "and means the same");
  return 0;
}
