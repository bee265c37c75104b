// What a worker asks of the content loader, and what it gets back.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "apps/origin/http_date.h"
#include "apps/origin/site_path.h"
#include "base/chunk.h"

namespace viaduct::origin {

// A strong entity tag (RFC 9110 section 8.8.3) with its quotes, of size, modification time and inode.
struct EntityTag {
  std::array<char, 56> text{};
  uint8_t size = 0;
  std::string_view view() const { return {text.data(), size}; }
};

// One version of a file.
struct FileInfo {
  uint64_t size = 0;
  int64_t modified = 0;  // seconds since 1970
  EntityTag tag;
  HttpDate last_modified;
  std::string_view content_type;  // static text
};

// Names an open version of a file at the loader. Whoever got one gives it back once.
struct FileRef {
  uint64_t id = 0;  // 0: none
  explicit operator bool() const { return id != 0; }
};

enum class ContentStatus : uint8_t {
  kFound,
  kNotFound,   // not there, not a regular file, or not to be served
  kMoved,      // a folder, asked for without its last slash
  kBusy,       // no room was free in time, or too many files are open
  kUnreadable  // the file changed under way, or could not be read
};

// Lives in the worker's ContentClient; is the loader's between the two rings.
struct ContentTask {
  static constexpr uint32_t kMaxSegments = 8;

  enum class Kind : uint8_t {
    kOpen,  // path → info, and segment 0 where that is all of it, else `file`
    kRead   // file, first_segment, wanted → segments in a row, at least one
  };
  Kind kind = Kind::kOpen;
  ContentStatus status = ContentStatus::kNotFound;
  uint32_t wanted = 0;
  uint32_t first_segment = 0;
  FileRef file;
  FileInfo info;
  std::array<Chunk*, kMaxSegments> segments{};  // each with a reference for the worker
  uint32_t segment_count = 0;
  int64_t waits_until = 0;  // the loader's: when it gives up waiting for room
  uint64_t cookie = 0;      // the worker's

  std::array<uint8_t, kMaxSitePath + 1> path_room;
  uint16_t path_size = 0;
  std::string_view path() const { return {reinterpret_cast<const char*>(path_room.data()), path_size}; }

  // The worker's own notes on why it asks, for the time the answer comes.
  std::array<char, 2048> notes;
};

}  // namespace viaduct::origin
