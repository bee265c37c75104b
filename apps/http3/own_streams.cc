#include "apps/http3/own_streams.h"

#include <cstdlib>

namespace viaduct::http3 {
namespace {

constexpr uint8_t kControlType = 0x00;
constexpr uint8_t kEncoderType = 0x02;
constexpr uint8_t kDecoderType = 0x03;

}  // namespace

OwnStreams::OwnStreams(Role self, const Settings& settings, ChunkPool& chunks)
    : first_(self == Role::kServer ? 3 : 2), preface_(chunks.acquire()) {
  if (!preface_) std::abort();  // made at start, from a pool that is still whole
  ByteWriter out(preface_->room());
  out.u8(kControlType);
  write_settings_frame(out, settings, first_ + 1000);
  control_size_ = static_cast<uint32_t>(out.size());
  out.u8(kEncoderType);
  out.u8(kDecoderType);
  if (!out.ok()) std::abort();
}

OwnStreams::~OwnStreams() { preface_->drop(); }

void OwnStreams::open(quic::AppChannel& channel, quic::ConnectionHandle connection) const {
  const auto write = [&](uint64_t stream, uint32_t offset, uint32_t length) {
    preface_->hold();
    channel.commands.push(quic::Command{.type = quic::CommandType::kWrite,
                                        .connection = connection,
                                        .offset = offset,
                                        .length = length,
                                        .stream = stream,
                                        .chunk = preface_});
  };
  write(first_, 0, control_size_);
  write(first_ + 4, control_size_, 1);
  write(first_ + 8, control_size_ + 1, 1);
}

}  // namespace viaduct::http3
