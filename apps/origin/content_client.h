// A worker's way to the content: asks the loader, and remembers small files for a moment.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "apps/origin/content_loader.h"
#include "base/instant.h"
#include "base/pool_use.h"

namespace viaduct::origin {

// One worker's; never blocks. All segments it got must be dropped before the loader goes.
class ContentClient {
 public:
  // remembered: how many small files are kept at hand, a segment of the store each.
  ContentClient(ContentLoader& loader, unsigned worker, uint32_t remembered);
  ~ContentClient();
  ContentClient(const ContentClient&) = delete;
  ContentClient& operator=(const ContentClient&) = delete;

  struct Remembered {
    FileInfo info;
    Chunk* chunk = nullptr;  // the whole file, this client's reference; null for an empty one
    Instant fresh_until;
  };
  // A file of one segment at most that was loaded a moment ago (ContentConfig::freshness). Null where there is none.
  const Remembered* recall(std::string_view path, Instant now);

  // A task to fill in and submit(); null, and counted as refused, where all are under way.
  ContentTask* acquire();
  void submit(ContentTask* task);
  // An answer. The caller takes its segments over, then calls finish().
  ContentTask* next_answer();
  bool has_answers() const { return loader_.has_answers(worker_); }
  // Keeps a small file at hand and takes the task back.
  void finish(ContentTask* task, Instant now);
  // Gives back a file that an answer named.
  void close(FileRef file);

  // After a round of submissions: wakes the loader if there were any.
  void flush();
  // Lets go of what was remembered too long ago.
  void expire(Instant now);
  // When expire() has something to do.
  Instant deadline() const { return remembered_count_ > 0 ? next_expiry_ : Instant::never(); }

  uint32_t segment_size() const { return loader_.config().segment_size; }
  const PoolUse& use() const { return use_; }

 private:
  static constexpr size_t kLongestPath = 119;
  struct Entry {
    Remembered file;
    uint8_t path_size = 0;  // 0: empty
    char path[kLongestPath];
  };

  Entry& entry_for(std::string_view path);
  void remember(const ContentTask& task, Instant now);
  void forget(Entry& entry);

  ContentLoader& loader_;
  unsigned worker_;
  std::vector<ContentTask> tasks_;
  std::vector<ContentTask*> free_;
  std::vector<Entry> entries_;
  uint32_t remembered_count_ = 0;
  Instant next_expiry_;
  bool must_kick_ = false;
  PoolUse use_;
};

}  // namespace viaduct::origin
