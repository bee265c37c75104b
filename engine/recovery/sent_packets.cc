#include "engine/recovery/sent_packets.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace viaduct::quic {

namespace {
constexpr uint8_t kAckEliciting = 1;
constexpr uint8_t kMtuProbe = 2;
constexpr uint8_t kHasDelivery = 4;
constexpr unsigned kEcnShift = 3;

uint8_t flags_of(const SentPacket& packet) {
  return static_cast<uint8_t>((packet.ack_eliciting ? kAckEliciting : 0) | (packet.mtu_probe ? kMtuProbe : 0) |
                              (packet.has_delivery ? kHasDelivery : 0) |
                              static_cast<unsigned>(packet.ecn) << kEcnShift);
}
}  // namespace

SentPacket SentPackets::unpack(Block& block, const Record& record) {
  SentPacket packet{.sent_time = record.sent_time,
                    .size = record.size,
                    .ack_eliciting = (record.flags & kAckEliciting) != 0,
                    .in_flight = true,
                    .mtu_probe = (record.flags & kMtuProbe) != 0,
                    .ecn = static_cast<Ecn>(record.flags >> kEcnShift),
                    .has_delivery = (record.flags & kHasDelivery) != 0};
  if (packet.has_delivery) {
    const SentFrame* slot = block.frames_at(record.first_frame + record.frame_count, 1);
    std::memcpy(static_cast<void*>(&packet.delivery), slot, sizeof packet.delivery);
  }
  return packet;
}

// The bits of the block's packets that lie in the range; the range must not end before the block begins.
uint64_t SentPackets::mask(const Block& block, PacketRange range) {
  const uint64_t from = std::max(range.smallest, block.first) - block.first;
  const uint64_t end = std::min<uint64_t>(range.largest - block.first + 1, block.packets);
  if (from >= end) return 0;
  const uint64_t below_end = end == 64 ? ~uint64_t{0} : (uint64_t{1} << end) - 1;
  return below_end & ~((uint64_t{1} << from) - 1);
}

// The last block, if the next packet can go there.
SentPackets::Block* SentPackets::usable_tail(size_t frame_count) const {
  if (tail_ == nullptr || tail_->first + tail_->packets != next_number_ || !tail_->fits(frame_count)) return nullptr;
  return tail_;
}

bool SentPackets::has_room() {
  if (usable_tail(kMaxFrames + 1) != nullptr) return true;
  if (blocks_ >= max_blocks_ || pool_->available() == 0) forget_lost_before(Instant::never());
  return blocks_ < max_blocks_ && pool_->available() > 0;
}

SentPackets::Block* SentPackets::append_block() {
  if (!has_room()) return nullptr;
  auto* block = new (pool_->acquire()) Block;
  static_cast<BlockHead&>(*block) = {.next = nullptr, .first = next_number_};
  (tail_ == nullptr ? front_ : tail_->next) = block;
  tail_ = block;
  ++blocks_;
  return block;
}

bool SentPackets::add(const SentPacket& packet, std::span<const SentFrame> frames) {
  if (!packet.in_flight) {
    pass_over();
    return true;
  }
  if (frames.size() > kMaxFrames) return false;
  const size_t slots = frames.size() + packet.has_delivery;
  Block* block = usable_tail(slots);
  if (block == nullptr) block = append_block();
  if (block == nullptr) return false;

  std::copy(frames.begin(), frames.end(), block->frames_at(block->frames, frames.size()));
  if (packet.has_delivery) {
    void* slot = block->frames_at(block->frames + frames.size(), 1);
    std::memcpy(slot, &packet.delivery, sizeof packet.delivery);
  }
  // In place: a record made elsewhere and copied in words would wait for its single bytes to be stored.
  Record& record = block->record(block->packets);
  record.sent_time = packet.sent_time;
  record.size = static_cast<uint16_t>(packet.size);
  record.first_frame = static_cast<uint8_t>(block->frames);
  record.frame_count = static_cast<uint8_t>(frames.size());
  record.flags = flags_of(packet);
  block->outstanding |= uint64_t{1} << block->packets;
  block->frames = static_cast<uint16_t>(block->frames + slots);
  ++block->packets;
  ++outstanding_;
  ++next_number_;
  return true;
}

bool SentPackets::skip() {
  uint64_t& slot = skipped_[skip_count_ % kMaxSkipped];
  if (skip_count_ >= kMaxSkipped && slot > lowest_outstanding()) return false;
  slot = next_number_;
  ++skip_count_;
  pass_over();
  return true;
}

// A number with nothing to remember. Within a block it takes a slot, so that slots and numbers go together.
void SentPackets::pass_over() {
  if (Block* block = usable_tail(0)) block->record(block->packets++) = {};
  ++next_number_;
}

bool SentPackets::may_acknowledge(PacketRange range) const {
  if (range.largest >= next_number_) return false;
  for (uint64_t i = 0; i < std::min<uint64_t>(skip_count_, kMaxSkipped); ++i) {
    if (range.smallest <= skipped_[i] && skipped_[i] <= range.largest) return false;
  }
  return true;
}

void SentPackets::forget_lost_before(Instant instant) {
  Block* previous = nullptr;
  for (Block* block = front_; block != nullptr && lost_remembered_ > 0;) {
    for (uint64_t left = block->lost; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      if (block->record(i).sent_time >= instant) return;
      block->lost &= ~(uint64_t{1} << i);
      --lost_remembered_;
    }
    Block* next = block->next;
    if (block->settled()) {
      unlink(previous, block);
    } else {
      previous = block;
    }
    block = next;
  }
}

void SentPackets::clear() {
  while (front_ != nullptr) unlink(nullptr, front_);
  outstanding_ = 0;
  lost_remembered_ = 0;
}

uint64_t SentPackets::lowest_outstanding() const {
  for (const Block* block = front_; block != nullptr; block = block->next) {
    if (block->outstanding != 0) return block->first + static_cast<uint64_t>(std::countr_zero(block->outstanding));
  }
  return next_number_;
}

void SentPackets::unlink(Block* previous, Block* block) {
  (previous == nullptr ? front_ : previous->next) = block->next;
  if (tail_ == block) tail_ = previous;
  pool_->release(reinterpret_cast<const uint8_t*>(block));
  --blocks_;
}

}  // namespace viaduct::quic
