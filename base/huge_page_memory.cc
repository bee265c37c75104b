#include "base/huge_page_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/cache_line.h"
#include "base/poison.h"

namespace viaduct {
namespace {

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Whole pages at the start of a page; mmap() knows only the small ones, so the ends are cut off.
std::byte* map_pages(size_t size) {
  constexpr size_t kPage = HugePageMemory::kPage;
  void* mapped = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* const first = static_cast<std::byte*>(mapped);
  const size_t skipped = (kPage - reinterpret_cast<uintptr_t>(mapped) % kPage) % kPage;
  if (skipped > 0) munmap(first, skipped);
  munmap(first + skipped + size, kPage - skipped);
  madvise(first + skipped, size, MADV_HUGEPAGE);  // only advice: without, it works as well
  return first + skipped;
}

}  // namespace

HugePageMemory::~HugePageMemory() {
  for (const Region& region : regions_) munmap(region.begin, region.size);
}

size_t HugePageMemory::regions() const {
  const std::lock_guard lock(mutex_);
  return regions_.size();
}

void* HugePageMemory::do_allocate(size_t bytes, size_t alignment) {
  if (bytes < kLarge || alignment > kPage) return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  alignment = std::max(alignment, kCacheLine);  // what two workers write does not meet in one
  const std::lock_guard lock(mutex_);
  const auto has_room = [&](const Region& region) { return round_up(region.used, alignment) + bytes <= region.size; };
  auto region = std::ranges::find_if(regions_, has_room);
  if (region == regions_.end()) {
    const size_t size = round_up(bytes, kPage);
    region = regions_.insert(region, {.begin = map_pages(size), .size = size});
  }
  const size_t offset = round_up(region->used, alignment);
  region->used = offset + bytes;
  ++region->live;
  return region->begin + offset;
}

void HugePageMemory::do_deallocate(void* memory, size_t bytes, size_t alignment) {
  if (bytes < kLarge || alignment > kPage) return std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  const std::lock_guard lock(mutex_);
  const auto region = std::ranges::find_if(regions_, [&](const Region& candidate) {
    return memory >= candidate.begin && memory < candidate.begin + candidate.size;
  });
  if (--region->live > 0) return;
  munmap(region->begin, region->size);
  regions_.erase(region);
}

void use_huge_pages() {
#ifndef VIADUCT_ADDRESS_SANITIZER
  static HugePageMemory* const memory = new HugePageMemory;  // never destroyed: who uses it may go later
  std::pmr::set_default_resource(memory);
#endif
}

}  // namespace viaduct
