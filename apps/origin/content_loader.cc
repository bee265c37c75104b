#include "apps/origin/content_loader.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/clock.h"

namespace viaduct::origin {
namespace {

// While somebody waits for room: how often to look whether there is some.
constexpr int kRetryMilliseconds = 1;

void add(std::atomic<uint64_t>& counter, uint64_t n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

}  // namespace

ContentLoader::ContentLoader(const ContentConfig& config, unsigned workers)
    : config_(config),
      files_(config.max_files, config.freshness),
      store_(config.store_bytes, config.segment_size),
      event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  for (unsigned i = 0; i < workers; ++i) lanes_.push_back(std::make_unique<Lane>(config.tasks_per_worker));
}

ContentLoader::~ContentLoader() {
  stop();
  ::close(event_);
}

std::string ContentLoader::open_root() { return files_.open_root(config_.root); }

void ContentLoader::start(std::function<void(unsigned)> wake) {
  wake_ = std::move(wake);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "content");
}

void ContentLoader::stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  sleeping_.store(true);
  kick();
  thread_.join();
}

void ContentLoader::run() {
  while (!stop_.load(std::memory_order_acquire)) {
    if (!serve(MonotonicClock::now())) sleep();
  }
}

// Who submits looks at sleeping_ after it has put; we look at the rings after we have set it. One of us sees the other.
void ContentLoader::sleep() {
  sleeping_.store(true, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!has_tasks() && !stop_.load()) {
    pollfd wait{.fd = event_, .events = POLLIN, .revents = 0};
    poll(&wait, 1, waiting_.empty() ? -1 : kRetryMilliseconds);
  }
  sleeping_.store(false, std::memory_order_seq_cst);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event_, &count, sizeof count);
}

bool ContentLoader::has_tasks() const {
  return std::ranges::any_of(lanes_, [](const auto& lane) { return !lane->tasks.empty() || !lane->closes.empty(); });
}

void ContentLoader::kick() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(event_, &one, sizeof one);
}

void ContentLoader::submit(unsigned worker, ContentTask* task) {
  [[maybe_unused]] const bool fits = lanes_[worker]->tasks.push(task);
  assert(fits);
}

void ContentLoader::close(unsigned worker, FileRef file) {
  [[maybe_unused]] const bool fits = lanes_[worker]->closes.push(file.id);
  assert(fits);
}

bool ContentLoader::serve(Instant now) {
  bool worked = retry_waiting(now);
  for (unsigned worker = 0; worker < lanes_.size(); ++worker) {
    Lane& lane = *lanes_[worker];
    take_closes(lane);
    ContentTask* task = nullptr;
    // A burst, then the next worker's turn.
    for (int i = 0; i < 32 && lane.tasks.pop(task); ++i) {
      worked = true;
      if (perform(*task, now)) {
        answer(worker, task);
        continue;
      }
      add(statistics_.waits);
      task->waits_until = (now + config_.longest_wait).ns();
      waiting_.push_back({worker, task});
    }
  }
  files_.take_retired([this](uint64_t file, uint64_t size) {
    add(statistics_.changes);
    store_.forget(file, size);
  });
  statistics_.files.store(files_.count(), std::memory_order_relaxed);
  for (unsigned worker = 0; worker < lanes_.size(); ++worker) {
    if (std::exchange(lanes_[worker]->was_answered, false) && wake_) wake_(worker);
  }
  return worked;
}

void ContentLoader::take_closes(Lane& lane) {
  uint64_t id = 0;
  while (lane.closes.pop(id)) files_.drop_user({id});
}

// In the order in which they came; the first that must go on waiting keeps the others from trying in vain.
bool ContentLoader::retry_waiting(Instant now) {
  bool worked = false;
  while (!waiting_.empty()) {
    const auto [worker, task] = waiting_.front();
    if (!perform(*task, now)) {
      if (now.ns() < task->waits_until) break;
      add(statistics_.timeouts);
      task->status = ContentStatus::kBusy;
    }
    waiting_.pop_front();
    answer(worker, task);
    worked = true;
  }
  return worked;
}

void ContentLoader::answer(unsigned worker, ContentTask* task) {
  [[maybe_unused]] const bool fits = lanes_[worker]->answers.push(task);
  assert(fits);
  lanes_[worker]->was_answered = true;
}

bool ContentLoader::perform(ContentTask& task, Instant now) {
  task.segment_count = 0;
  return task.kind == ContentTask::Kind::kOpen ? perform_open(task, now) : perform_read(task);
}

bool ContentLoader::perform_open(ContentTask& task, Instant now) {
  add(statistics_.opens);
  task.file = {};
  // Twice where the file was changed between opening and reading: what is there now is then another version.
  for (int tries = 0; tries < 2; ++tries) {
    OpenFile* file = files_.open(task.path(), now, task.status);
    if (!file) return true;
    task.info = file->info;
    if (file->info.size > config_.segment_size) {
      files_.add_user(*file);
      task.file = {file->id};
      return true;
    }
    if (file->info.size == 0) return true;
    if (Chunk* whole = segment(*file, 0, task.status)) {
      task.segments[task.segment_count++] = whole;
      return true;
    }
    if (task.status == ContentStatus::kBusy) return false;
  }
  return true;
}

bool ContentLoader::perform_read(ContentTask& task) {
  add(statistics_.reads);
  OpenFile* file = files_.find(task.file);
  task.status = ContentStatus::kUnreadable;
  if (!file) return true;
  const uint64_t segments = (file->info.size + config_.segment_size - 1) / config_.segment_size;
  for (uint32_t i = 0; i < std::min(task.wanted, ContentTask::kMaxSegments) && task.first_segment + i < segments; ++i) {
    Chunk* chunk = segment(*file, task.first_segment + i, task.status);
    if (!chunk) break;
    task.segments[task.segment_count++] = chunk;
  }
  if (task.segment_count > 0) task.status = ContentStatus::kFound;
  return task.status != ContentStatus::kBusy;
}

// With a reference for who asked. Null: kBusy where there is no room, kUnreadable where the file is not what it was.
Chunk* ContentLoader::segment(OpenFile& file, uint32_t index, ContentStatus& status) {
  status = ContentStatus::kFound;
  if (Chunk* chunk = store_.find({file.id, index})) {
    add(statistics_.hits);
    return chunk;
  }
  const MutableBytes room = store_.reserve();
  if (room.empty()) {
    status = ContentStatus::kBusy;
    return nullptr;
  }
  const uint64_t offset = uint64_t{index} * config_.segment_size;
  const auto size = static_cast<uint32_t>(std::min<uint64_t>(config_.segment_size, file.info.size - offset));
  if (!files_.read(file, offset, room.first(size))) {
    file.checked = Instant::from_ns(0) - config_.freshness;  // to be looked at again by whoever asks next
    status = ContentStatus::kUnreadable;
    return nullptr;
  }
  add(statistics_.loads);
  add(statistics_.bytes_loaded, size);
  return store_.commit({file.id, index}, size);
}

}  // namespace viaduct::origin
