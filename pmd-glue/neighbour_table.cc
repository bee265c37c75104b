#include "pmd-glue/neighbour_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

namespace viaduct::net {
namespace {

enum State : uint8_t {
  kFree,
  kWanted,      // asked for, everybody
  kKnown,       //
  kConfirming,  // known and in use for long: the neighbour is asked whether it is still there
  kLost,        // asked often enough; not asked again for a while
  kPermanent,
};

constexpr unsigned kWays = 8;
constexpr unsigned kQuestions = 4;
constexpr Duration kKnownFor = Duration::seconds(30);
constexpr Duration kLostFor = Duration::seconds(3);
// The first answer usually takes microseconds, so a lost question is repeated soon.
constexpr Duration kRepeat[kQuestions] = {Duration::milliseconds(100), Duration::milliseconds(300),
                                          Duration::seconds(1), Duration::seconds(1)};
// A writer holds the flag for some hundred nanoseconds, unless the kernel stops it in between.
constexpr int kTries = 4096;

uint64_t pack(const MacAddress& mac) {
  uint64_t value = 0;
  std::memcpy(&value, mac.bytes.data(), 6);
  return value;
}

MacAddress unpack(uint64_t value) {
  MacAddress mac;
  std::memcpy(mac.bytes.data(), &value, 6);
  return mac;
}

struct Key {
  uint64_t high, low;
  explicit Key(const IpAddress& ip) {
    std::memcpy(&high, ip.bytes.data(), 8);
    std::memcpy(&low, ip.bytes.data() + 8, 8);
  }
};

}  // namespace

struct alignas(64) NeighbourTable::Entry {
  std::atomic<uint32_t> sequence{0};  // odd while it is written
  std::atomic<uint8_t> state{kFree};
  mutable std::atomic<bool> used{false};  // since its last question
  std::atomic<uint8_t> asked{0};
  std::atomic<uint64_t> high{0}, low{0};
  std::atomic<uint64_t> mac{0};
  std::atomic<int64_t> due{Instant::never().ns()};

  bool is(Key key) const {
    return state.load(std::memory_order_acquire) != kFree && high.load(std::memory_order_acquire) == key.high &&
           low.load(std::memory_order_acquire) == key.low;
  }
  bool knows_mac() const {
    const uint8_t s = state.load(std::memory_order_acquire);
    return s == kKnown || s == kConfirming || s == kPermanent;
  }
  IpAddress ip() const {
    IpAddress address;
    const uint64_t words[2] = {high.load(std::memory_order_relaxed), low.load(std::memory_order_relaxed)};
    std::memcpy(address.bytes.data(), words, 16);
    return address;
  }
};

// The right to write, for as long as it lives, or not.
class NeighbourTable::Writer {
 public:
  explicit Writer(NeighbourTable& table) : table_(table) {
    for (int i = 0; i < kTries && !owns_; ++i) owns_ = !table_.writing_.exchange(true, std::memory_order_acquire);
  }
  ~Writer() {
    if (owns_) table_.writing_.store(false, std::memory_order_release);
  }
  explicit operator bool() const { return owns_; }

  Entry* find(Key key) {
    Entry* set = table_.set_of(key.high, key.low);
    Entry* found = std::find_if(set, set + kWays, [&](const Entry& entry) { return entry.is(key); });
    return found == set + kWays ? nullptr : found;
  }
  // An entry to put a new address in: free, or the one that is missed least. Null if all are in use.
  Entry* make_room(Key key) {
    Entry* set = table_.set_of(key.high, key.low);
    Entry* best = nullptr;
    int best_rank = 0;
    for (Entry* entry = set; entry != set + kWays; ++entry) {
      const uint8_t state = entry->state.load(std::memory_order_relaxed);
      const bool idle = !entry->used.load(std::memory_order_relaxed);
      const int rank = state == kFree ? 4 : state == kLost ? 3 : state == kWanted ? 2 : state == kKnown && idle ? 1 : 0;
      if (rank > best_rank || (rank > 0 && rank == best_rank && entry->due < best->due)) best = entry, best_rank = rank;
    }
    if (best && best_rank < 4) {
      table_.evicted_.fetch_add(1, std::memory_order_relaxed);
      forget(*best);
    }
    return best;
  }
  void forget(Entry& entry) {
    const bool was_known = entry.knows_mac();
    entry.state.store(kFree, std::memory_order_release);
    table_.used_.fetch_sub(1, std::memory_order_relaxed);
    if (was_known) table_.changed();
  }
  void write(Entry& entry, Key key, uint8_t state, uint64_t mac, Instant due) {
    if (entry.state.load(std::memory_order_relaxed) == kFree) table_.used_.fetch_add(1, std::memory_order_relaxed);
    const uint32_t sequence = entry.sequence.load(std::memory_order_relaxed);
    entry.sequence.store(sequence + 1, std::memory_order_relaxed);
    entry.state.store(state, std::memory_order_release);
    entry.high.store(key.high, std::memory_order_release);
    entry.low.store(key.low, std::memory_order_release);
    entry.mac.store(mac, std::memory_order_release);
    entry.due.store(due.ns(), std::memory_order_release);
    entry.sequence.store(sequence + 2, std::memory_order_release);
    if (due.ns() < table_.next_due_.load(std::memory_order_relaxed)) table_.next_due_ = due.ns();
  }

 private:
  NeighbourTable& table_;
  bool owns_ = false;
};

NeighbourTable::NeighbourTable(unsigned capacity)
    : capacity_(std::bit_ceil(std::max(capacity, kWays))),
      seed_(uint64_t{std::random_device()()} << 32 | std::random_device()() | 1),
      entries_(new Entry[capacity_]) {}

NeighbourTable::~NeighbourTable() = default;

NeighbourTable::Entry* NeighbourTable::set_of(uint64_t high, uint64_t low) const {
  const uint64_t mixed = (high ^ std::rotl(low, 29)) * seed_;
  const unsigned sets = capacity_ / kWays;
  return &entries_[((mixed ^ mixed >> 32) & (sets - 1)) * kWays];
}

void NeighbourTable::changed() { epoch_.fetch_add(1, std::memory_order_release); }

std::optional<MacAddress> NeighbourTable::find(const IpAddress& ip) const {
  const Key key(ip);
  const Entry* set = set_of(key.high, key.low);
  for (const Entry* entry = set; entry != set + kWays; ++entry) {
    const uint32_t before = entry->sequence.load(std::memory_order_acquire);
    if (!entry->is(key) || !entry->knows_mac()) continue;
    const uint64_t mac = entry->mac.load(std::memory_order_acquire);
    if ((before & 1) || entry->sequence.load(std::memory_order_relaxed) != before) continue;
    if (!entry->used.load(std::memory_order_relaxed)) entry->used.store(true, std::memory_order_relaxed);
    return unpack(mac);
  }
  return std::nullopt;
}

bool NeighbourTable::is_unreachable(const IpAddress& ip) const {
  const Key key(ip);
  const Entry* set = set_of(key.high, key.low);
  return std::any_of(set, set + kWays, [&](const Entry& e) { return e.is(key) && e.state == kLost; });
}

bool NeighbourTable::is_watched(const IpAddress& ip) const {
  const Key key(ip);
  const Entry* set = set_of(key.high, key.low);
  return std::any_of(set, set + kWays, [&](const Entry& e) { return e.is(key); });
}

bool NeighbourTable::want(const IpAddress& ip, Instant now) {
  Writer writer(*this);
  if (!writer) return false;
  const Key key(ip);
  Entry* entry = writer.find(key);
  if (entry && !(entry->state == kLost && entry->due <= now.ns())) return false;
  if (!entry) entry = writer.make_room(key);
  if (!entry) return false;
  entry->asked = 1;
  writer.write(*entry, key, kWanted, 0, now + kRepeat[0]);
  return true;
}

bool NeighbourTable::learn(const IpAddress& ip, const MacAddress& mac, Instant now) {
  Writer writer(*this);
  const Key key(ip);
  Entry* entry = writer ? writer.find(key) : nullptr;
  if (!entry) return false;
  if (entry->state == kPermanent) return true;
  const bool news = !entry->knows_mac() || entry->mac != pack(mac);
  writer.write(*entry, key, kKnown, pack(mac), now + kKnownFor);
  if (news) changed();
  return true;
}

bool NeighbourTable::add(const IpAddress& ip, const MacAddress& mac, Instant now, bool permanent) {
  Writer writer(*this);
  if (!writer) return false;
  const Key key(ip);
  Entry* entry = writer.find(key);
  if (!entry) entry = writer.make_room(key);
  if (!entry) return false;
  writer.write(*entry, key, permanent ? kPermanent : kKnown, pack(mac), permanent ? Instant::never() : now + kKnownFor);
  changed();
  return true;
}

size_t NeighbourTable::due(Instant now, std::span<Question> questions) {
  if (now < next_due()) return 0;
  Writer writer(*this);
  if (!writer) return 0;
  size_t count = 0;
  int64_t next = Instant::never().ns();
  for (unsigned i = 0; i < capacity_; ++i) {
    Entry& entry = entries_[i];
    if (entry.state != kFree && entry.due <= now.ns() && count < questions.size()) {
      if (is_to_ask(writer, entry, now)) {
        questions[count++] = {entry.ip(), unpack(entry.mac), entry.state == kWanted};
      }
    }
    if (entry.state != kFree) next = std::min<int64_t>(next, entry.due);
  }
  next_due_ = next;
  return count;
}

// Moves an entry whose time has come on to its next state.
bool NeighbourTable::is_to_ask(Writer& writer, Entry& entry, Instant now) {
  const Key key(entry.ip());
  const uint64_t mac = entry.mac;
  switch (entry.state.load()) {
    case kWanted:
      if (entry.asked < kQuestions) {
        writer.write(entry, key, kWanted, 0, now + kRepeat[entry.asked++]);
        return true;
      }
      writer.write(entry, key, kLost, 0, now + kLostFor);
      changed();
      return false;
    case kKnown:
      // Holders of a copied address look again after this, which marks the entry as used if it still is.
      if (entry.used.exchange(false)) {
        entry.asked = 1;
        writer.write(entry, key, kConfirming, mac, now + kRepeat[0]);
        changed();
        return true;
      }
      writer.forget(entry);
      return false;
    case kConfirming:
      if (entry.asked < kQuestions) {
        writer.write(entry, key, kConfirming, mac, now + kRepeat[entry.asked++]);
        return true;
      }
      entry.asked = 1;
      writer.write(entry, key, kWanted, 0, now + kRepeat[0]);
      changed();
      return true;
    case kLost:
      writer.forget(entry);
      return false;
    default:
      return false;
  }
}

}  // namespace viaduct::net
