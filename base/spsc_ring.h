// A bounded ring between one producer and one consumer thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>

namespace viaduct {

// Never blocks and never allocates after construction. Holds at least the asked number of items
// (rounded up to a power of two). Each side caches the other's index, so that an uncontended burst
// touches one shared line.
template <class T>
  requires std::is_trivially_copyable_v<T>
class SpscRing {
 public:
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(std::max<size_t>(capacity, 2)) - 1), slots_(new T[mask_ + 1]) {}

  size_t capacity() const { return mask_ + 1; }

  // Producer: free slots, at least. Looks at the consumer's side only where what is known to be free is less than
  // wanted.
  size_t room(size_t wanted = std::numeric_limits<size_t>::max()) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - head_seen_) < wanted) head_seen_ = head_.load(std::memory_order_acquire);
    return capacity() - (tail - head_seen_);
  }
  // Producer: copies in what fits from the front; the number.
  size_t push(std::span<const T> items) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - head_seen_) < items.size()) head_seen_ = head_.load(std::memory_order_acquire);
    const size_t count = std::min(items.size(), capacity() - (tail - head_seen_));
    for (size_t i = 0; i < count; ++i) slots_[(tail + i) & mask_] = items[i];
    tail_.store(tail + count, std::memory_order_release);
    return count;
  }
  bool push(const T& item) { return push(std::span<const T>(&item, 1)) == 1; }
  // Producer: a free slot, to be filled in where it is and then handed over by push_filled(); null where there is none.
  // An old item is in it. What is made elsewhere and copied in wide words would wait for its narrow stores.
  T* free_slot() { return room(1) > 0 ? &slots_[tail_.load(std::memory_order_relaxed) & mask_] : nullptr; }
  void push_filled() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // Consumer: copies out as many as there are and fit; the number.
  size_t pop(std::span<T> items) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (tail_seen_ - head < items.size()) tail_seen_ = tail_.load(std::memory_order_acquire);
    const size_t count = std::min(items.size(), tail_seen_ - head);
    for (size_t i = 0; i < count; ++i) items[i] = slots_[(head + i) & mask_];
    head_.store(head + count, std::memory_order_release);
    return count;
  }
  bool pop(T& item) { return pop(std::span<T>(&item, 1)) == 1; }
  // Consumer: items at the front, to be read where they are and then dropped: as many as there are in a row, `most` of
  // them at most; none only where the ring is empty.
  std::span<const T> front(size_t most) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (tail_seen_ - head < most) tail_seen_ = tail_.load(std::memory_order_acquire);
    const size_t first = head & mask_;
    return {&slots_[first], std::min({most, tail_seen_ - head, capacity() - first})};
  }
  void drop_front(size_t count) {
    head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }
  // Either side, exact only for the consumer.
  bool empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }
  // Items in the ring, as a moment's reading from any thread.
  size_t size() const {
    const size_t head = head_.load(std::memory_order_acquire);
    return std::min(tail_.load(std::memory_order_acquire) - head, capacity());
  }

 private:
  const size_t mask_;
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<size_t> tail_{0};
  size_t head_seen_ = 0;
  alignas(64) std::atomic<size_t> head_{0};
  size_t tail_seen_ = 0;
};

}  // namespace viaduct
