// An HTTP/3 server and a client that writes anything on its streams: frames, settings, QPACK instructions. The input is
// a list of pieces: which stream (its id; with bit 7 its end, with bit 6 a reset), how many bytes, the bytes.
#include "apps/http3/server.h"

#include <algorithm>
#include <set>

#include "tests/fuzz/fuzz_target.h"
#include "tests/http3/fake_engine.h"

namespace viaduct::fuzz {
namespace {

using namespace http3;

constexpr size_t kMaxPieces = 200;

// Answers everything at once, and the same again to whoever asks the same.
struct Answering : Application {
  Server* server = nullptr;
  void on_request(RequestId id, const RequestHead& head) override {
    static constexpr uint8_t kBody[] = {'o', 'k'};
    static constexpr Repeatable kAlways{Instant::never(), 0};
    require(!head.method.empty(), "a request asks for something");
    server->respond(id, 200, {}, sizeof kBody, kBody, &kAlways);
  }
  void on_writable(RequestId) override {}
  void on_gone(RequestId) override {}
};

ServerLimits limits() {
  ServerLimits limits;
  limits.max_connections = 4;
  limits.max_requests = 16;
  limits.max_requests_per_connection = 8;
  limits.max_field_section = 2048;
  limits.max_gathered_sections = 4;
  limits.max_gathered_per_connection = 3;
  return limits;
}

struct Harness {
  FakeEngine engine;
  ChunkPool chunks{64, 1024};
  Answering application;
  Server server{limits(), engine.channel, chunks, application};
  Instant now = Instant::from_ns(1'000'000'000);

  Harness() { application.server = &server; }
  void run() {
    while (server.step(now)) engine.take();
    engine.take();
  }
};

}  // namespace
}  // namespace viaduct::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace viaduct::fuzz;
  Harness harness;
  harness.engine.open();
  harness.run();
  viaduct::ByteReader reader({data, size});
  std::set<uint64_t> ended;
  for (size_t piece = 0; piece < kMaxPieces && reader.remaining() >= 2 && !harness.engine.closed_with; ++piece) {
    const uint8_t where = reader.u8();
    const uint64_t stream = where & 0x3e;  // the client's
    const bool ends = (where & 0xc0) != 0;
    const size_t length = std::min<size_t>(reader.u8(), reader.remaining());
    const viaduct::Bytes bytes = reader.bytes(length);
    // The engine says nothing of a stream after its end, or once it was asked to stop.
    if (ended.contains(stream) || harness.engine.out[stream].stop_sending) continue;
    if (ends) ended.insert(stream);
    if ((where & 0x40) != 0) {
      harness.engine.reset(stream);
    } else {
      harness.engine.data(stream, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, (where & 0x80) != 0);
    }
    harness.run();
    if (piece % 4 == 3) harness.engine.release_all();
  }
  harness.engine.close();
  harness.run();
  harness.engine.release_all();
  harness.run();
  require(harness.engine.consumed == harness.engine.delivered, "all bytes are given back");
  require(harness.server.connections() == 0, "the connection is forgotten");
  require(harness.server.requests().used() == 0, "so are its requests");
  require(harness.server.gathered_sections().used() == 0, "and what was gathered of them");
  return 0;
}
