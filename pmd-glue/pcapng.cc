#include "pmd-glue/pcapng.h"

#include <cstring>

namespace viaduct::net {
namespace {

constexpr uint32_t kSection = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6;
constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kEndOfOptions = 0, kComment = 1;
constexpr uint16_t kSectionApplication = 4;
constexpr uint16_t kInterfaceName = 2, kInterfaceResolution = 9;
constexpr uint16_t kPacketFlags = 2;
constexpr uint16_t kLinkEthernet = 1;

}  // namespace

void PcapngWriter::raw(const void* data, size_t size) {
  const auto* p = static_cast<const uint8_t*>(data);
  buffer_.insert(buffer_.end(), p, p + size);
}

// Everything starts at a multiple of four bytes.
void PcapngWriter::padded(const void* data, size_t size) {
  raw(data, size);
  buffer_.resize(buffer_.size() + (4 - size % 4) % 4);
}

void PcapngWriter::option(uint16_t code, const void* data, size_t size) {
  u16(code);
  u16(static_cast<uint16_t>(size));
  padded(data, size);
}

size_t PcapngWriter::open_block(uint32_t type) {
  const size_t start = buffer_.size();
  u32(type);
  u32(0);
  return start;
}

// A block's length stands at both its ends.
void PcapngWriter::close_block(size_t start) {
  const uint32_t length = static_cast<uint32_t>(buffer_.size() - start + 4);
  u32(length);
  std::memcpy(buffer_.data() + start + 4, &length, sizeof length);
}

void PcapngWriter::start(std::string_view application, const std::vector<std::string>& interfaces,
                         uint32_t snap_length) {
  const size_t section = open_block(kSection);
  u32(kByteOrder);
  u16(1);  // version 1.0
  u16(0);
  const uint64_t unknown_length = ~uint64_t{0};
  raw(&unknown_length, sizeof unknown_length);
  option(kSectionApplication, application.data(), application.size());
  option(kEndOfOptions, nullptr, 0);
  close_block(section);

  for (const std::string& name : interfaces) {
    const size_t interface = open_block(kInterface);
    u16(kLinkEthernet);
    u16(0);
    u32(snap_length);
    const uint8_t nanoseconds = 9;
    option(kInterfaceName, name.data(), name.size());
    option(kInterfaceResolution, &nanoseconds, sizeof nanoseconds);
    option(kEndOfOptions, nullptr, 0);
    close_block(interface);
  }
}

void PcapngWriter::packet(uint32_t interface, uint64_t time_ns, uint32_t length, Bytes frame, uint8_t direction,
                          std::string_view comment) {
  const size_t block = open_block(kEnhancedPacket);
  u32(interface);
  u32(static_cast<uint32_t>(time_ns >> 32));
  u32(static_cast<uint32_t>(time_ns));
  u32(static_cast<uint32_t>(frame.size()));
  u32(length);
  padded(frame.data(), frame.size());
  const uint32_t flags = direction;
  option(kPacketFlags, &flags, sizeof flags);
  if (!comment.empty()) option(kComment, comment.data(), comment.size());
  option(kEndOfOptions, nullptr, 0);
  close_block(block);
}

}  // namespace viaduct::net
