// Large arrays in as few pages as the kernel gives.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace viaduct::lb {

// `count` zeroed objects. Above two megabytes the kernel is asked for huge pages: in a table that is read at random
// places nearly every access would otherwise also miss the address cache.
template <class T>
class HugeArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  explicit HugeArray(size_t count) : bytes_((count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage) {
    // A huge page more than needed, so that the array can begin at the start of one.
    mapped_ = mmap(nullptr, bytes_ + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(mapped_);
    data_ = reinterpret_cast<T*>((address + kHugePage - 1) / kHugePage * kHugePage);
    madvise(data_, bytes_, MADV_HUGEPAGE);
  }
  ~HugeArray() {
    if (mapped_) munmap(mapped_, bytes_ + kHugePage);
  }
  HugeArray(HugeArray&& other) noexcept
      : bytes_(other.bytes_), mapped_(std::exchange(other.mapped_, nullptr)), data_(other.data_) {}
  HugeArray& operator=(HugeArray&&) = delete;

  // The elements of a constant array may change: it is a piece of memory with an owner, as with std::span.
  T& operator[](size_t index) const { return data_[index]; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;

  size_t bytes_;
  void* mapped_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace viaduct::lb
