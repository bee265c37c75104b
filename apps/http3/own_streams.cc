#include "apps/http3/own_streams.h"

#include <cstdlib>

namespace viaduct::http3 {
namespace {

constexpr uint8_t kControlType = 0x00;

}  // namespace

OwnStreams::OwnStreams(Role self, const Settings& settings, ChunkPool& chunks)
    : first_(self == Role::kServer ? 3 : 2), preface_(chunks.acquire()) {
  if (!preface_) std::abort();  // made at start, from a pool that is still whole
  ByteWriter out(preface_->room());
  out.u8(kControlType);
  write_settings_frame(out, settings, first_ + 1000);
  size_ = static_cast<uint32_t>(out.size());
  if (!out.ok()) std::abort();
}

OwnStreams::~OwnStreams() { preface_->drop(); }

void OwnStreams::open(quic::AppChannel& channel, quic::ConnectionHandle connection) const {
  preface_->hold();
  channel.commands.push(quic::Command{.type = quic::CommandType::kWrite,
                                      .connection = connection,
                                      .length = size_,
                                      .stream = first_,
                                      .chunk = preface_});
}

}  // namespace viaduct::http3
