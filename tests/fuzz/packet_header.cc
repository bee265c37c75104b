// Any datagram: its packets, one after the other, in the views of a worker (RFC 8999) and of a connection (RFC 9000).
#include "engine/wire/packet_header.h"
#include "flowsteer/invariants.h"
#include "tests/engine/wire/promises.h"
#include "tests/fuzz/fuzz_target.h"

namespace viaduct::fuzz {
namespace {

using quic::PacketHeader;

constexpr size_t kShortId = 8;

// What the two parsers agree on is what brings a packet to the connection that it is for.
void check_invariants(const PacketHeader& header, Bytes datagram) {
  const auto invariants = flowsteer::parse_invariants(datagram, kShortId);
  require(invariants.has_value(), "what a version can read, every version can");
  require(equal(invariants->dcid, header.dcid), "both find the same destination");
  require(!invariants->is_long || equal(invariants->scid, header.scid), "both find the same source");
}

}  // namespace
}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct::fuzz;
  viaduct::Bytes datagram(data, size);
  while (!datagram.empty()) {
    const auto header = viaduct::quic::parse_packet_header(datagram, kShortId);
    if (!header) break;
    require_none(viaduct::quic::test::broken_promise(*header, datagram));
    check_invariants(*header, datagram);
    datagram = datagram.subspan(header->size);
  }
  return 0;
}
