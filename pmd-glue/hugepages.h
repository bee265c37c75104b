// Hugepages: how many are free, and taking away what dead processes left.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace viaduct::net {

struct HugepageMount {
  std::string folder;
  size_t page_bytes = 0;
  size_t free_bytes = 0;
};

// The mounted hugetlbfs file systems that this process can write to.
std::vector<HugepageMount> hugepage_mounts();

// Removes "<prefix>map_<n>" files that nobody has open in an EAL: of this prefix, and of every prefix that starts with
// "viaduct" (a process that was killed leaves its own behind). Returns how many.
size_t remove_stale_hugepages(const std::string& folder, const std::string& prefix);

}  // namespace viaduct::net
