// The files below the root, as the loader knows them: opened safely, versioned, bounded in number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/origin/content_task.h"
#include "base/instant.h"

namespace viaduct::origin {

// One version of one file. Kept, with its descriptor, while it is the current one or somebody reads it.
struct OpenFile {
  uint64_t id = 0;
  std::string path;
  int descriptor = -1;
  FileInfo info;
  int64_t modified_ns = 0;
  uint64_t device = 0, inode = 0;
  Instant checked;
  uint64_t last_use = 0;
  uint32_t users = 0;
  bool is_current = true;
};

// Owned by the loader's thread. Blocks on the file system; no worker calls it.
class ContentFiles {
 public:
  // freshness: how long a version is believed to be the current one without looking again.
  ContentFiles(size_t max_files, Duration freshness) : max_files_(max_files), freshness_(freshness) {}
  ~ContentFiles();
  ContentFiles(const ContentFiles&) = delete;
  ContentFiles& operator=(const ContentFiles&) = delete;

  // The folder that everything is below. An empty string, or what is wrong with it.
  std::string open_root(const std::string& root);

  // The current version of the file at a path from resolve_site_path(). Null with `status` saying why. A version that
  // was replaced is passed to `replaced` first.
  OpenFile* open(std::string_view path, Instant now, ContentStatus& status);
  OpenFile* find(FileRef file);
  void add_user(OpenFile& file) { ++file.users; }
  void drop_user(FileRef file);

  // Reads exactly [offset, offset + room.size()). False where the file is not any more what it was.
  bool read(const OpenFile& file, uint64_t offset, MutableBytes room);

  // Versions that are nobody's any more, whose segments can go; forgotten by this call.
  template <class Callback>
  void take_retired(Callback&& callback) {
    for (const auto& [id, size] : retired_) callback(id, size);
    retired_.clear();
  }
  size_t count() const { return files_.size(); }

 private:
  OpenFile* open_anew(std::string_view path, OpenFile* known, Instant now, ContentStatus& status);
  bool make_room();
  void retire(OpenFile& file);
  void destroy(OpenFile& file);

  size_t max_files_;
  Duration freshness_;
  int root_ = -1;
  uint64_t next_id_ = 1;
  uint64_t uses_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<OpenFile>> files_;
  std::unordered_map<std::string, OpenFile*> current_;
  std::vector<std::pair<uint64_t, uint64_t>> retired_;
};

}  // namespace viaduct::origin
