// The thread that reads files into the content store for all workers.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "apps/origin/content_files.h"
#include "apps/origin/content_task.h"
#include "apps/origin/segment_store.h"
#include "base/spsc_ring.h"

namespace viaduct::origin {

struct ContentConfig {
  std::string root;
  size_t store_bytes = 256 << 20;
  uint32_t segment_size = 64 << 10;
  size_t max_files = 4096;                               // versions of files known at a time, one descriptor each
  Duration freshness = Duration::seconds(1);             // how long a file is believed unchanged
  Duration longest_wait = Duration::milliseconds(2000);  // for room in the store
  uint32_t tasks_per_worker = 1024;                      // under way at a time
};

// One ring of tasks from each worker and one back; both have room for all tasks there are, so that neither side ever
// waits for the other. Also usable without its thread: serve() does what the thread does, once.
class ContentLoader {
 public:
  ContentLoader(const ContentConfig& config, unsigned workers);
  // Stops the thread. No worker may hold a segment any more.
  ~ContentLoader();
  ContentLoader(const ContentLoader&) = delete;
  ContentLoader& operator=(const ContentLoader&) = delete;

  // An empty string, or what is wrong with the root. Before start() and serve().
  std::string open_root();
  // wake(worker): called on the loader's thread after answers for that worker.
  void start(std::function<void(unsigned)> wake);
  void stop();
  // One round: answers what it can; true where there was something.
  bool serve(Instant now);

  // --- a worker's side ---
  void submit(unsigned worker, ContentTask* task);
  // Gives back a FileRef.
  void close(unsigned worker, FileRef file);
  // Wakes the thread if it sleeps; after one or more submit() or close().
  void kick();
  bool take(unsigned worker, ContentTask*& task) { return lanes_[worker]->answers.pop(task); }
  bool has_answers(unsigned worker) const { return !lanes_[worker]->answers.empty(); }

  const ContentConfig& config() const { return config_; }
  const SegmentStore& store() const { return store_; }

  // For telemetry; any thread.
  struct Statistics {
    std::atomic<uint64_t> opens{0}, reads{0}, hits{0}, loads{0}, bytes_loaded{0}, waits{0}, timeouts{0}, changes{0};
    std::atomic<uint64_t> files{0};
  };
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Lane {
    explicit Lane(size_t count) : tasks(count), answers(count), closes(count * 64) {}
    SpscRing<ContentTask*> tasks;
    SpscRing<ContentTask*> answers;
    SpscRing<uint64_t> closes;
    bool was_answered = false;
  };
  struct Waiting {
    unsigned worker;
    ContentTask* task;
  };

  void run();
  void sleep();
  void take_closes(Lane& lane);
  // False where it has to wait for room.
  bool perform(ContentTask& task, Instant now);
  bool perform_open(ContentTask& task, Instant now);
  bool perform_read(ContentTask& task);
  Chunk* segment(OpenFile& file, uint32_t index, ContentStatus& status);
  void answer(unsigned worker, ContentTask* task);
  bool retry_waiting(Instant now);
  bool has_tasks() const;

  ContentConfig config_;
  ContentFiles files_;
  SegmentStore store_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<Waiting> waiting_;
  std::function<void(unsigned)> wake_;
  int event_ = -1;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
  Statistics statistics_;
};

}  // namespace viaduct::origin
