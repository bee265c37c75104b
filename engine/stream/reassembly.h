// Bytes that arrive in any order, handed on in order.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "engine/stream/receive_store.h"

namespace viaduct::quic {

// The memory is the store's. Bytes that were received are never received again: repeated ones, even with other
// content, change nothing that was handed on (RFC 9000 section 2.2 lets us choose). Stays where it was made.
// meets RFC 9000 21.7-1
class Reassembly {
 public:
  explicit Reassembly(uint64_t stream) : stream_(stream) {}
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  // False, and nothing changed, where the store has too few blocks left.
  bool insert(ReceiveStore& store, uint64_t offset, Bytes data);
  // The same for all bytes that there will be, none of which was here before; no more than a block holds. They are not
  // searched for then, and cost less.
  bool insert_whole(ReceiveStore& store, Bytes data);
  // The next bytes in order, of one block; empty where there are none.
  LentBytes read(ReceiveStore& store);
  // Gives all memory back but what is lent. Nothing may be inserted any more.
  void discard(ReceiveStore& store);

  // Everything below was received.
  uint64_t contiguous() const { return contiguous_; }
  // Everything below was handed on.
  uint64_t delivered() const { return delivered_; }
  bool has_readable() const { return delivered_ < contiguous_; }

 private:
  friend class ReceiveStore;

  bool has_room(const ReceiveStore& store, uint64_t begin, uint64_t end) const;
  ReceiveBlock* block_at(ReceiveStore& store, uint64_t number);
  void insert_in_block(ReceiveStore& store, uint64_t offset, Bytes data, bool in_order);
  void advance(ReceiveStore& store);

  uint64_t stream_;
  uint64_t contiguous_ = 0;
  uint64_t delivered_ = 0;
  uint64_t ahead_ = 0;               // bytes received beyond contiguous_
  ReceiveBlock* blocks_ = nullptr;   // all of them
  ReceiveBlock* current_ = nullptr;  // the one found last
  uint64_t whole_ = 0;               // the token of what insert_whole() took, until it is read
};

}  // namespace viaduct::quic
