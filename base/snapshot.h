// Values that a control thread replaces while workers read them, without a lock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace viaduct {

// Which workers may still hold something they read from a Snapshot. A worker says so once per round for all
// snapshots that share this object. Workers start offline.
//
// Why it holds: a publisher first replaces the pointer and then moves the epoch on, so a worker that has seen the
// epoch reads the new pointer. A worker that comes online says so and then reads, a publisher replaces and then
// looks who is online; all four are sequentially consistent, so one of them sees the other.
class Quiescence {
 public:
  static constexpr unsigned kMaxWorkers = 64;

  // Worker: what it read before is not used any more. Wait-free.
  void quiescent(unsigned worker) {
    seen_[worker].epoch.store(epoch_.load(std::memory_order_acquire), std::memory_order_release);
  }
  // Worker: as quiescent(), and it reads nothing until it is online again: a sleeper holds nobody up.
  void offline(unsigned worker) { seen_[worker].epoch.store(kOffline, std::memory_order_release); }
  void online(unsigned worker) {
    seen_[worker].epoch.store(epoch_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  }

  // Publisher: the epoch after which nobody reads what was replaced before this call.
  uint64_t move_on() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  // Publisher: the newest epoch that all online workers have seen.
  uint64_t seen_by_all() const {
    uint64_t oldest = kOffline;
    for (const Seen& seen : seen_) oldest = std::min(oldest, seen.epoch.load(std::memory_order_seq_cst));
    return oldest;
  }

 private:
  static constexpr uint64_t kOffline = ~uint64_t{0};
  struct alignas(64) Seen {
    std::atomic<uint64_t> epoch{kOffline};
  };

  alignas(64) std::atomic<uint64_t> epoch_{1};
  std::array<Seen, kMaxWorkers> seen_;
};

// The current value of type T, immutable once published. One control thread publishes, any worker reads.
template <class T>
class Snapshot {
 public:
  explicit Snapshot(Quiescence& quiescence, std::unique_ptr<const T> first = nullptr)
      : quiescence_(quiescence), current_(first.release()) {}
  // No worker reads any more.
  ~Snapshot() { delete current_.load(); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // Worker, online: the newest value, good until its next quiescent(); null before the first was published.
  const T* read() const { return current_.load(std::memory_order_seq_cst); }

  // Control thread: replaces the value. The old one is destroyed by this thread, in a later publish() or
  // reclaim(), once no worker can hold it.
  void publish(std::unique_ptr<const T> value) {
    std::unique_ptr<const T> old(current_.exchange(value.release(), std::memory_order_seq_cst));
    if (old) retired_.emplace_back(quiescence_.move_on(), std::move(old));
    reclaim();
  }
  // Control thread: destroys what nobody can hold any more. Returns how many old values are left.
  size_t reclaim() {
    const uint64_t seen = quiescence_.seen_by_all();
    std::erase_if(retired_, [seen](const auto& retired) { return retired.first <= seen; });
    return retired_.size();
  }

 private:
  Quiescence& quiescence_;
  std::atomic<const T*> current_;
  std::vector<std::pair<uint64_t, std::unique_ptr<const T>>> retired_;
};

}  // namespace viaduct
