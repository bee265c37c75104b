// Memory for what is allocated at start and read at random places ever after, in as few pages as the kernel gives.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <mutex>
#include <vector>

namespace viaduct {

// Puts what is large into regions for which huge pages are asked: with pages of 4 KiB, nearly every look at a pool of
// some megabytes misses the address cache, too. What is small comes from the heap. A region is given back when nothing
// of it is used any more, and what is freed in it before is not used again: for things that live as long as a worker.
// Any thread. Throws std::bad_alloc.
class HugePageMemory final : public std::pmr::memory_resource {
 public:
  static constexpr size_t kPage = size_t{2} << 20;
  // What is smaller comes from the heap.
  static constexpr size_t kLarge = size_t{32} << 10;

  HugePageMemory() = default;
  ~HugePageMemory() override;
  HugePageMemory(const HugePageMemory&) = delete;
  HugePageMemory& operator=(const HugePageMemory&) = delete;

  size_t regions() const;

 private:
  struct Region {
    std::byte* begin = nullptr;  // at the start of a page
    size_t size = 0;             // whole pages
    size_t used = 0;             // from the front
    size_t live = 0;             // allocations
  };

  void* do_allocate(size_t bytes, size_t alignment) override;
  void do_deallocate(void* memory, size_t bytes, size_t alignment) override;
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  mutable std::mutex mutex_;
  std::vector<Region> regions_;
};

// Makes it what pools and tables take their memory from where nothing else is said, for the life of the process. To be
// called once, before anything is made of them. Sanitizers keep the heap, which they watch.
void use_huge_pages();

}  // namespace viaduct
