// QUIC-LB connection IDs: any bytes under any configuration. Byte 0: configuration id and flags, byte 1: lengths.
#include <algorithm>
#include <array>
#include <optional>

#include "flowsteer/quic_lb.h"
#include "flowsteer/server_id_decoder.h"
#include "tests/fuzz/fuzz_target.h"

namespace viaduct::fuzz {
namespace {

using flowsteer::QuicLb;
using flowsteer::QuicLbConfig;
using flowsteer::ServerIdAndNonce;

std::optional<QuicLbConfig> config_of(uint8_t flags, uint8_t lengths) {
  QuicLbConfig config{.id = static_cast<uint8_t>(flags & 7),
                      .server_id_length = static_cast<uint8_t>(lengths & 15),
                      .nonce_length = static_cast<uint8_t>(4 + (lengths >> 4))};
  config.encode_length = (flags & 8) != 0;
  if ((flags & 16) != 0) config.key.emplace().fill(flags);
  if (!config.problem().empty()) return std::nullopt;
  return config;
}

// The same block encrypted again is the same ID.
void check_round_trip(const QuicLb& quic_lb, const ServerIdAndNonce& decoded, Bytes id) {
  std::array<uint8_t, ServerIdAndNonce::kMaxSize> block;
  quic_lb.encode(decoded.server_id(), decoded.nonce(), block.data());
  const size_t length = quic_lb.config().block_length();
  require(equal(Bytes(block.data(), length), id.subspan(1, length)), "decoding is the reverse of encoding");
}

}  // namespace
}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct::fuzz;
  if (size < 2) return 0;
  const auto config = config_of(data[0], data[1]);
  if (!config) return 0;
  const QuicLb quic_lb(*config);
  const viaduct::Bytes id(data + 2, std::min<size_t>(size - 2, 20));
  const auto whole = quic_lb.decode(id);
  const auto server = quic_lb.decode_server_id(id);
  require(whole.has_value() == server.has_value(), "both read the same IDs");
  if (!whole) return 0;
  require(id.size() >= config->routable_length(), "a short ID is not read");
  require(viaduct::flowsteer::config_id(id[0]) == config->id, "nor is another configuration's");
  require(viaduct::equal(whole->server_id(), server->server_id()), "both find the same server");
  check_round_trip(quic_lb, *whole, id);

  std::array<uint8_t, viaduct::flowsteer::kReadableId> readable;
  std::copy(id.begin(), id.end(), readable.begin());
  viaduct::flowsteer::ServerIdJobs jobs;
  jobs.add(&quic_lb, readable.data() + 1);
  viaduct::flowsteer::ServerIdBlock decoded;
  viaduct::flowsteer::decode_server_ids(jobs, &decoded);
  require(decoded == viaduct::flowsteer::ServerIdBlock(server->server_id()), "one by one or many at once");
  return 0;
}
