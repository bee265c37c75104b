// The packets of a burst between their building and their sealing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/packet.h"
#include "crypto-offload/packet_protector.h"
#include "engine/wire/packet_header.h"

namespace viaduct::quic {

// Frames of one packet as they are written. Small ones go to scratch memory; the bytes of one stream frame may stay
// where the application has them, and the cipher reads them there: the packet is then
// head() | body() | tail(), with head and tail in scratch.
class PayloadWriter {
 public:
  PayloadWriter() : writer({}) {}
  // room: bytes of payload that the packet has; scratch is at least as large.
  PayloadWriter(uint8_t* scratch, size_t room) : writer({scratch, room}), scratch_(scratch), room_(room) {}

  size_t size() const { return head_size_ + body_.size() + writer.size(); }
  bool can_adopt() const { return body_.empty(); }
  // The bytes follow what was written, in place.
  void adopt(Bytes bytes) {
    head_size_ = writer.size();
    body_ = bytes;
    writer = ByteWriter({scratch_ + head_size_, room_ - head_size_ - bytes.size()});
  }
  // More room behind what was written, for padding; scratch has it.
  void extend(size_t bytes) {
    const size_t written = writer.size();
    room_ += bytes;
    writer = ByteWriter({scratch_ + head_size_, room_ - head_size_ - body_.size()});
    writer.skip(written);
  }

  Bytes head() const { return body_.empty() ? writer.written() : Bytes{scratch_, head_size_}; }
  Bytes body() const { return body_; }
  Bytes tail() const { return body_.empty() ? Bytes{} : writer.written(); }
  size_t scratch_used() const { return head_size_ + writer.size(); }

  ByteWriter writer;

 private:
  uint8_t* scratch_ = nullptr;
  size_t room_ = 0;
  size_t head_size_ = 0;
  Bytes body_;
};

// Collects packets of many connections, then protects all of them by one call each for payloads and headers.
class SealBatch {
 public:
  static constexpr size_t kMaxPackets = 3 * kBurst;

  // max_datagram: largest datagram built, bytes.
  SealBatch(crypto::PacketProtector& protector, size_t max_datagram)
      : protector_(protector),
        scratch_size_(kBurst * max_datagram),
        scratch_(std::make_unique<uint8_t[]>(scratch_size_)) {}

  // Whether one more datagram, of up to three packets, fits.
  bool has_room(size_t max_datagram) const {
    return count_ + 3 <= kMaxPackets && scratch_used_ + max_datagram <= scratch_size_;
  }
  uint8_t* scratch() { return scratch_.get() + scratch_used_; }
  void use_scratch(size_t size) { scratch_used_ += size; }

  // packet: its first byte, with the header written. The payload's memory stays as it is until flush().
  void add(uint8_t* packet, const HeaderLayout& layout, uint64_t number, const PayloadWriter& payload,
           const crypto::PacketKey* key, const crypto::HeaderKey* header_key);
  // Seals everything; the batch is empty afterwards.
  void flush();
  size_t size() const { return count_; }

 private:
  struct Item {
    uint8_t* packet;
    uint16_t number_offset;
    uint8_t number_size;
  };

  crypto::PacketProtector& protector_;
  size_t scratch_size_;
  std::unique_ptr<uint8_t[]> scratch_;
  size_t scratch_used_ = 0;
  size_t count_ = 0;
  std::array<Item, kMaxPackets> items_;
  std::array<crypto::SealJob, kMaxPackets> seals_;
  std::array<crypto::MaskJob, kMaxPackets> masks_;
};

// Puts a mask on the first octet and the packet number, or takes it off (RFC 9001 section 5.4.1).
inline void apply_mask(uint8_t* packet, uint8_t* number, size_t number_size,
                       const std::array<uint8_t, crypto::kMaskSize>& mask) {
  packet[0] ^= mask[0] & ((packet[0] & 0x80) ? 0x0f : 0x1f);
  for (size_t i = 0; i < number_size; ++i) number[i] ^= mask[i + 1];
}

}  // namespace viaduct::quic
