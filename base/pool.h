// A fixed number of objects, named by handles that go stale instead of dangling.
#pragma once

#include <cassert>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <utility>
#include <vector>

#include "base/poison.h"
#include "base/pool_use.h"

namespace viaduct {

// Names an object of one pool. The default one names nothing, in any pool.
struct Handle {
  uint32_t index = 0;
  uint32_t generation = 0;

  explicit operator bool() const { return generation != 0; }
  auto operator<=>(const Handle&) const = default;
};

// Allocates once, from the given memory, when it is made; objects are constructed by acquire() and destroyed by
// release(). A handle whose object is gone is an ordinary miss (until its slot was used 2^31 times). One thread,
// but use() is for all.
template <class T>
class Pool {
 public:
  explicit Pool(uint32_t capacity, std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : memory_(memory),
        objects_(static_cast<T*>(memory->allocate(size_t{capacity} * sizeof(T), alignof(T)))),
        generations_(capacity, 0, memory),
        free_(memory) {
    free_.reserve(capacity);
    for (uint32_t index = capacity; index > 0; --index) free_.push_back(index - 1);
    poison(objects_, size_t{capacity} * sizeof(T));
  }
  ~Pool() {
    for (uint32_t index = 0; index < capacity(); ++index) {
      if (is_live(index)) std::destroy_at(objects_ + index);
    }
    unpoison(objects_, size_t{capacity()} * sizeof(T));
    memory_->deallocate(objects_, size_t{capacity()} * sizeof(T), alignof(T));
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // A new object made of the arguments; the null handle, and counted as refused, where the pool is used up.
  template <class... Arguments>
  Handle acquire(Arguments&&... arguments) {
    if (free_.empty()) {
      use_.count_refused();
      return {};
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    unpoison(objects_ + index, sizeof(T));
    std::construct_at(objects_ + index, std::forward<Arguments>(arguments)...);
    use_.count_taken();
    return {index, ++generations_[index]};
  }
  // Destroys the object. False for a stale handle, which changes nothing.
  bool release(Handle handle) {
    T* object = get(handle);
    if (!object) return false;
    ++generations_[handle.index];
    std::destroy_at(object);
    poison(object, sizeof(T));
    free_.push_back(handle.index);
    use_.count_returned();
    return true;
  }
  // Null for a stale handle.
  T* get(Handle handle) {
    const bool fresh = handle.index < capacity() && is_live(handle.index);
    return fresh && generations_[handle.index] == handle.generation ? objects_ + handle.index : nullptr;
  }
  // The handle of an object that is in this pool.
  Handle handle_of(const T& object) const {
    const auto index = static_cast<uint32_t>(&object - objects_);
    assert(index < capacity() && is_live(index));
    return {index, generations_[index]};
  }
  // Calls back with (Handle, T&) for each object, in no particular order. The callback may release any of them.
  template <class Callback>
  void for_each(Callback&& callback) {
    for (uint32_t index = 0; index < capacity(); ++index) {
      if (is_live(index)) callback(Handle{index, generations_[index]}, objects_[index]);
    }
  }

  uint32_t capacity() const { return static_cast<uint32_t>(generations_.size()); }
  const PoolUse& use() const { return use_; }
  uint32_t used() const { return use_.used(); }
  uint32_t high_water() const { return use_.high_water(); }
  uint64_t refused() const { return use_.refused(); }

 private:
  bool is_live(uint32_t index) const { return generations_[index] & 1; }

  std::pmr::memory_resource* memory_;
  T* objects_;
  std::pmr::vector<uint32_t> generations_;  // odd while there is an object
  std::pmr::vector<uint32_t> free_;         // the most recently released last: it is warm
  PoolUse use_;
};

}  // namespace viaduct
