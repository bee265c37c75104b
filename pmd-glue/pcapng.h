// The pcapng file format (draft-ietf-opsawg-pcapng), as far as captures of Ethernet frames need it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace viaduct::net {

// Blocks are appended to a buffer that the caller writes out and clears.
class PcapngWriter {
 public:
  // Starts the file: a section and one Ethernet interface with this number for each name, times in nanoseconds.
  void start(std::string_view application, const std::vector<std::string>& interfaces, uint32_t snap_length);
  // length: of the whole frame; frame: what was kept of it. direction: 1 received, 2 sent. An empty comment is left
  // out.
  void packet(uint32_t interface, uint64_t time_ns, uint32_t length, Bytes frame, uint8_t direction,
              std::string_view comment = {});

  std::vector<uint8_t>& buffer() { return buffer_; }

 private:
  void u16(uint16_t value) { raw(&value, sizeof value); }
  void u32(uint32_t value) { raw(&value, sizeof value); }
  void raw(const void* data, size_t size);
  void padded(const void* data, size_t size);
  void option(uint16_t code, const void* data, size_t size);
  size_t open_block(uint32_t type);
  void close_block(size_t start);

  std::vector<uint8_t> buffer_;
};

}  // namespace viaduct::net
