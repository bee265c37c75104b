// The payload of a packet. The first byte says which type of packet it is in and who sent it.
#include "engine/wire/frames.h"

#include "tests/engine/wire/promises.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct;
  using quic::PacketType;
  if (size == 0) return 0;
  constexpr PacketType kTypes[] = {PacketType::kOneRtt, PacketType::kInitial, PacketType::kHandshake,
                                   PacketType::kZeroRtt};
  const auto sender = (data[0] & 4) != 0 ? quic::Role::kServer : quic::Role::kClient;
  const Bytes payload(data + 1, size - 1);
  ByteReader reader(payload);
  while (!reader.empty()) {
    const size_t before = reader.remaining();
    quic::Frame frame;
    if (quic::parse_frame(reader, kTypes[data[0] & 3], sender, frame)) break;
    fuzz::require(reader.remaining() < before, "every frame takes something");
    fuzz::require_none(quic::test::broken_promise(frame, payload));
  }
  return 0;
}
