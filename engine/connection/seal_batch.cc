#include "engine/connection/seal_batch.h"

namespace viaduct::quic {

void SealBatch::add(uint8_t* packet, const HeaderLayout& layout, uint64_t number, const PayloadWriter& payload,
                    const crypto::PacketKey* key, const crypto::HeaderKey* header_key) {
  items_[count_] = {packet, static_cast<uint16_t>(layout.packet_number_offset),
                    static_cast<uint8_t>(layout.size - layout.packet_number_offset)};
  crypto::SealJob& seal = seals_[count_];
  seal.key = key;
  seal.packet_number = number;
  seal.associated_data = {packet, layout.size};
  seal.in = {payload.head(), payload.body(), payload.tail()};
  seal.out = packet + layout.size;
  crypto::MaskJob& mask = masks_[count_];
  mask.key = header_key;
  mask.sample = packet + layout.packet_number_offset + kSampleOffset;
  ++count_;
}

// The cipher does the same whatever the number is and however long, and so does the mask.
// meets RFC 9001 9.5-2
void SealBatch::flush() {
  protector_.seal({seals_.data(), count_});
  protector_.header_masks({masks_.data(), count_});
  for (size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    apply_mask(item.packet, item.packet + item.number_offset, item.number_size, masks_[i].mask);
  }
  count_ = 0;
  scratch_used_ = 0;
}

}  // namespace viaduct::quic
