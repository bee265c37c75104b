#include "pmd-glue/hugepages.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace viaduct::net {
namespace {

constexpr const char* kFamily = "viaduct";

size_t default_page_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key; meminfo >> key;) {
    size_t kilobytes = 0;
    if (key == "Hugepagesize:" && meminfo >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// The pagesize= of mount options, as in "rw,relatime,pagesize=2M".
size_t page_bytes_of(const std::string& options) {
  const size_t at = options.find("pagesize=");
  if (at == std::string::npos) return default_page_bytes();
  size_t digits = 0;
  const std::string text = options.substr(at + 9);
  const size_t value = std::stoul(text, &digits);
  const char unit = digits < text.size() ? text[digits] : ' ';
  return value << (unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0);
}

size_t free_bytes_of(size_t page_bytes) {
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-" + std::to_string(page_bytes / 1024) + "kB/free_hugepages");
  size_t pages = 0;
  file >> pages;
  return pages * page_bytes;
}

// "<prefix>map_<digits>" of this prefix or of the family.
bool is_page_file(const std::string& name, const std::string& prefix) {
  const size_t at = name.rfind("map_");
  if (at == std::string::npos || at + 4 == name.size()) return false;
  const bool is_numbered = std::all_of(name.begin() + static_cast<ptrdiff_t>(at) + 4, name.end(),
                                       [](char c) { return c >= '0' && c <= '9'; });
  return is_numbered && (name.substr(0, at) == prefix || name.starts_with(kFamily));
}

// The EAL holds a shared lock on each page file that it uses.
bool is_unused(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool unused = flock(file, LOCK_EX | LOCK_NB) == 0;
  close(file);
  return unused;
}

}  // namespace

std::vector<HugepageMount> hugepage_mounts() {
  std::vector<HugepageMount> mounts;
  std::ifstream table("/proc/mounts");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string device, folder, type, options;
    words >> device >> folder >> type >> options;
    if (type != "hugetlbfs" || access(folder.c_str(), W_OK) != 0) continue;
    const size_t page_bytes = page_bytes_of(options);
    if (page_bytes > 0) mounts.push_back({folder, page_bytes, free_bytes_of(page_bytes)});
  }
  return mounts;
}

size_t remove_stale_hugepages(const std::string& folder, const std::string& prefix) {
  size_t removed = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string path = entry.path();
    if (!is_page_file(entry.path().filename(), prefix) || !is_unused(path)) continue;
    removed += unlink(path.c_str()) == 0;
  }
  return removed;
}

}  // namespace viaduct::net
