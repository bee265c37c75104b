// The packets of one space that were sent and not yet settled, with their frames.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instant.h"
#include "engine/recovery/block_pool.h"
#include "engine/recovery/packet_space.h"
#include "engine/recovery/sent_packet.h"

namespace viaduct::quic {

// Packets are numbered from 0 in the order they are added; numbers may be skipped on purpose. A packet that is not in
// flight (one with only an ACK) takes a number and nothing more: its fate changes nothing. The records of the others
// sit in a chain of pool blocks, packets growing from the front of a block and frames from its end; a block is given
// back as soon as nothing in it is waited for. Each block has a bit per packet, so that an acknowledgement costs a step
// per packet it newly acknowledges and per block in flight, however often its ranges repeat old numbers.
//
// A packet in flight is *outstanding* until it is acknowledged or lost. A lost one is remembered until
// forget_lost_before(), so that an acknowledgement that comes late is noticed.
// meets RFC 9000 12.3-1 12.3-2
class SentPackets {
 public:
  // Frames that one packet may have recorded; a packet builder stops adding frames there.
  static constexpr size_t kMaxFrames = 32;
  // Skipped numbers that can be remembered.
  static constexpr size_t kMaxSkipped = 8;

  // max_blocks: how many blocks of the pool it may hold at once (one is about 50 packets of one frame each).
  explicit SentPackets(BlockPool& pool, size_t max_blocks = 1024) : pool_(&pool), max_blocks_(max_blocks) {}
  ~SentPackets() { clear(); }
  SentPackets(const SentPackets&) = delete;
  SentPackets& operator=(const SentPackets&) = delete;

  // The number of the next packet.
  uint64_t next_number() const { return next_number_; }

  // Whether add() has room for a packet in flight with kMaxFrames frames. A yes holds until the next add() or until
  // somebody else draws from the pool. Where room is short, lost packets are forgotten first.
  bool has_room();

  // Records the packet numbered next_number(); frames: at most kMaxFrames. False, with nothing recorded, when there is
  // no room; that concerns packets in flight only.
  bool add(const SentPacket& packet, std::span<const SentFrame> frames);

  // Leaves next_number() unused, so that an acknowledgement of it gives away a peer that acknowledges what it did not
  // receive (RFC 9000 section 21.4). False, with nothing changed, when all kMaxSkipped remembered numbers lie among
  // outstanding packets: every one that could do harm stays remembered.
  bool skip();

  // A peer may not acknowledge a number that was never sent (RFC 9000 section 13.1), a skipped one included.
  bool may_acknowledge(PacketRange range) const;

  // A place in the chain, from one range of an ACK frame to the next.
  class Cursor;

  // Calls acked(number, packet, frames, was_lost) for each packet of the range that was not acknowledged before, in
  // ascending order. The ranges of one ACK frame are given in ascending order, with the same cursor.
  template <typename F>
  void acknowledge(PacketRange range, Cursor& cursor, F&& acked);

  // Goes through the outstanding packets up to the number `largest`, in ascending order, as long as is_lost(number,
  // packet) says so; each is remembered as lost and lost(number, packet, frames) is called.
  template <typename IsLost, typename F>
  void detect_lost(uint64_t largest, IsLost&& is_lost, F&& lost);

  // Calls f(number, packet, frames) for outstanding packets in ascending order until it returns false.
  template <typename F>
  void for_each_outstanding(F&& f) const;

  // Forgets lost packets that were sent before the instant.
  void forget_lost_before(Instant instant);

  // Forgets all packets; next_number() and the skipped numbers stay.
  void clear();

  size_t outstanding() const { return outstanding_; }
  size_t lost_remembered() const { return lost_remembered_; }
  size_t blocks() const { return blocks_; }
  // The lowest outstanding number; next_number() if there is none.
  uint64_t lowest_outstanding() const;

 private:
  struct Record {
    Instant sent_time;
    uint16_t size;
    uint8_t first_frame;  // counted from the end of the block
    uint8_t frame_count;
    uint8_t flags;
  };
  static_assert(sizeof(Record) == 16);
  // A packet's delivery counters, where they are kept, take the place of a frame behind its own.
  static_assert(sizeof(DeliverySnapshot) == sizeof(SentFrame) && alignof(DeliverySnapshot) <= alignof(SentFrame));

  struct Block;
  struct BlockHead {
    Block* next;
    uint64_t first;        // number of the first packet
    uint64_t outstanding;  // bit i: packet first + i
    uint64_t lost;         // declared lost and remembered
    uint16_t packets;
    uint16_t frames;
  };
  static constexpr size_t kRoom = BlockPool::kBlockSize - sizeof(BlockHead);
  static constexpr size_t kMaxPackets = 64;

  struct Block : BlockHead {
    alignas(8) std::byte room[kRoom];

    Record& record(size_t i) { return reinterpret_cast<Record*>(room)[i]; }
    // The frames numbered first … first + count - 1, the first at the lowest address.
    SentFrame* frames_at(size_t first_frame, size_t count) {
      return reinterpret_cast<SentFrame*>(room + kRoom) - first_frame - count;
    }
    bool fits(size_t frame_count) const {
      return packets < kMaxPackets &&
             (packets + 1u) * sizeof(Record) + (frames + frame_count) * sizeof(SentFrame) <= kRoom;
    }
    bool settled() const { return (outstanding | lost) == 0; }
    bool reaches(uint64_t number) const { return first + packets > number; }
  };
  static_assert(sizeof(Block) == BlockPool::kBlockSize);

  static SentPacket unpack(Block& block, const Record& record);
  template <typename F>
  static decltype(auto) visit(Block& block, size_t i, F&& f);
  static uint64_t mask(const Block& block, PacketRange range);
  Block* usable_tail(size_t frame_count) const;
  Block* append_block();
  void pass_over();
  Block* next_of(Block* previous) const { return previous == nullptr ? front_ : previous->next; }
  void unlink(Block* previous, Block* block);

  BlockPool* pool_;
  size_t max_blocks_;
  Block* front_ = nullptr;
  Block* tail_ = nullptr;
  uint64_t next_number_ = 0;
  size_t blocks_ = 0;
  size_t outstanding_ = 0;
  size_t lost_remembered_ = 0;
  std::array<uint64_t, kMaxSkipped> skipped_{};  // the last ones, in a ring
  uint64_t skip_count_ = 0;
};

class SentPackets::Cursor {
  friend class SentPackets;
  Block* previous_ = nullptr;  // the block before the place; null: the front
};

template <typename F>
decltype(auto) SentPackets::visit(Block& block, size_t i, F&& f) {
  const Record& record = block.record(i);
  const SentPacket packet = unpack(block, record);
  const std::span<const SentFrame> frames(block.frames_at(record.first_frame, record.frame_count), record.frame_count);
  return f(block.first + i, packet, frames);
}

template <typename F>
void SentPackets::acknowledge(PacketRange range, Cursor& cursor, F&& acked) {
  while (Block* block = next_of(cursor.previous_)) {
    if (block->first > range.largest) return;
    const uint64_t bits = mask(*block, range);
    uint64_t hits = bits & (block->outstanding | block->lost);
    outstanding_ -= static_cast<size_t>(std::popcount(hits & block->outstanding));
    lost_remembered_ -= static_cast<size_t>(std::popcount(hits & block->lost));
    const uint64_t late = hits & block->lost;
    block->outstanding &= ~hits;
    block->lost &= ~hits;
    for (; hits != 0; hits &= hits - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(hits));
      visit(*block, i, [&](uint64_t number, const SentPacket& packet, std::span<const SentFrame> frames) {
        acked(number, packet, frames, (late >> i & 1) != 0);
      });
    }
    const bool done = block->reaches(range.largest);
    if (block->settled()) {
      unlink(cursor.previous_, block);
    } else if (!done) {
      cursor.previous_ = block;
    }
    if (done) return;
  }
}

template <typename IsLost, typename F>
void SentPackets::detect_lost(uint64_t largest, IsLost&& is_lost, F&& lost) {
  for (Block* block = front_; block != nullptr && block->first <= largest; block = block->next) {
    uint64_t candidates = block->outstanding & mask(*block, {0, largest});
    for (; candidates != 0; candidates &= candidates - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(candidates));
      const bool gone = visit(*block, i, [&](uint64_t number, const SentPacket& packet, auto frames) {
        if (!is_lost(number, packet)) return false;
        block->outstanding &= ~(uint64_t{1} << i);
        block->lost |= uint64_t{1} << i;
        --outstanding_;
        ++lost_remembered_;
        lost(number, packet, frames);
        return true;
      });
      if (!gone) return;
    }
  }
}

template <typename F>
void SentPackets::for_each_outstanding(F&& f) const {
  for (Block* block = front_; block != nullptr; block = block->next) {
    for (uint64_t left = block->outstanding; left != 0; left &= left - 1) {
      if (!visit(*block, static_cast<size_t>(std::countr_zero(left)), f)) return;
    }
  }
}

}  // namespace viaduct::quic
