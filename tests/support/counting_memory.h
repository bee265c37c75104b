// Memory that notes how often it was asked.
#pragma once

#include <cstddef>
#include <memory_resource>

namespace viaduct::test {

class CountingMemory : public std::pmr::memory_resource {
 public:
  size_t allocations = 0;
  size_t bytes_held = 0;

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    ++allocations;
    bytes_held += bytes;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, size_t bytes, size_t alignment) override {
    bytes_held -= bytes;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace viaduct::test
