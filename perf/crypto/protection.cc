// Sealing and opening packets against the bare cipher.
#include <array>
#include <cstring>
#include <random>

#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/provider_worker.h"
#include "perf/crypto/suites.h"

namespace viaduct::perf {
namespace {

using crypto::Aead;

constexpr size_t kSizes[] = {64, 256, 1200, 1452, 8952};
constexpr size_t kKeyCounts[] = {1, kBurst};

// The packets of one size under keys of one cipher, and who works on them.
class Bench {
 public:
  Bench(Aead aead, size_t size, size_t connections)
      : aead_(aead),
        size_(size),
        connections_(connections),
        random_(size),
        raw_(random_keys(aead, connections, random_)),
        texts_(kBurst, size + 32, random_),
        sealed_(kBurst, size + 64, random_),
        packets_(kBurst, size + 64, random_),
        bursts_(connections, random_),
        bare_(raw_) {}

  std::vector<Row> seal(const std::vector<std::string>& providers, size_t turns) {
    std::vector<Case> cases = {{name("seal", "bare"), [&] { seal_bare(); }, kBurst, bytes()}};
    std::vector<std::unique_ptr<ProviderWorker>> workers = make_workers(providers);
    for (size_t i = 0; i < providers.size(); ++i) {
      ProviderWorker* worker = workers[i].get();
      if (!worker->usable()) continue;
      for (const bool split : {false, true}) {
        cases.push_back({name("seal", providers[i] + (split ? "/header+application" : "/one-span")),
                         [=, this] { worker->seal(bursts_.next(), packets_, texts_, size_, split); }, kBurst, bytes()});
      }
    }
    return measure("crypto", cases, turns);
  }

  // Opening destroys what it opens, so each burst is copied from a sealed one, and the copying is taken off.
  std::vector<Row> open(const std::vector<std::string>& providers, size_t turns) {
    std::vector<std::unique_ptr<ProviderWorker>> workers = make_workers(providers);
    const auto burst = bursts_.next();
    workers[0]->seal(burst, sealed_, texts_, size_, false);
    constexpr int kCopying = 1;
    std::vector<Case> cases = {
        {name("open", "bare"), [=, this] { copy(), open_bare(burst); }, kBurst, bytes(), kCopying},
        {name("open", "copy-taken-off"), [this] { copy(); }, kBurst, bytes()}};
    for (size_t i = 0; i < providers.size(); ++i) {
      ProviderWorker* worker = workers[i].get();
      if (!worker->usable()) continue;
      cases.push_back({name("open", providers[i]), [=, this] { copy(), worker->open(burst, packets_, size_); }, kBurst,
                       bytes(), kCopying});
    }
    return measure("crypto", cases, turns);
  }

 private:
  std::string name(const char* operation, const std::string& what) const {
    return case_path(operation, aead_, size_, connections_, what);
  }
  double bytes() const { return static_cast<double>(size_); }

  std::vector<std::unique_ptr<ProviderWorker>> make_workers(const std::vector<std::string>& providers) const {
    std::vector<std::unique_ptr<ProviderWorker>> workers;
    for (const std::string& provider : providers) workers.push_back(std::make_unique<ProviderWorker>(provider, raw_));
    return workers;
  }
  void seal_bare() {
    const auto burst = bursts_.next();
    for (size_t i = 0; i < kBurst; ++i) {
      bare_.seal(burst[i], packets_[i] + kHeaderSize, texts_[i], size_, packets_[i], kHeaderSize);
    }
  }
  void open_bare(std::span<const uint32_t> burst) {
    for (size_t i = 0; i < kBurst; ++i) {
      bare_.open(burst[i], packets_[i] + kHeaderSize, size_, packets_[i], kHeaderSize);
    }
  }
  void copy() {
    for (size_t i = 0; i < kBurst; ++i) {
      std::memcpy(packets_[i], sealed_[i], kHeaderSize + size_ + crypto::kTagSize);
      asm volatile("" ::: "memory");
    }
  }

  Aead aead_;
  size_t size_;
  size_t connections_;
  std::mt19937_64 random_;
  std::vector<crypto::RawKeys> raw_;
  Buffers texts_;
  Buffers sealed_;
  Buffers packets_;
  Bursts bursts_;
  BareCipher bare_;
};

using Operation = std::vector<Row> (Bench::*)(const std::vector<std::string>&, size_t);

std::vector<Row> bench_all(Operation operation, size_t turns) {
  std::vector<Row> rows;
  for (const Aead aead : kAeads) {
    for (const size_t size : kSizes) {
      for (const size_t keys : kKeyCounts) {
        append(rows, (Bench(aead, size, keys).*operation)({"ipsec-mb", "vaes", "openssl"}, turns));
      }
    }
  }
  return rows;
}

}  // namespace

std::vector<Row> bench_seal(size_t turns) { return bench_all(&Bench::seal, turns); }
std::vector<Row> bench_open(size_t turns) { return bench_all(&Bench::open, turns); }

std::vector<Row> bench_classes(size_t turns) {
  const std::vector<std::string> kClasses = {"ipsec-mb-sse", "ipsec-mb-avx2", "ipsec-mb-avx512"};
  std::vector<Row> rows;
  for (const Aead aead : kAeads) {
    for (const Operation operation : {&Bench::seal, &Bench::open}) {
      append(rows, (Bench(aead, 1200, kBurst).*operation)(kClasses, turns));
    }
  }
  return rows;
}

// More connections than any CPU cache holds schedules of: kept expanded in memory, or expanded for each packet. What
// the latter takes longer than packets of few connections is the cost of a miss.
std::vector<Row> bench_many_connections(size_t turns) {
  constexpr size_t kConnections = 10000;
  constexpr size_t kSize = 1200;
  std::vector<Row> rows;
  for (const Aead aead : {Aead::kAes128Gcm, Aead::kAes256Gcm}) {
    std::mt19937_64 random(kConnections);
    const auto raw = random_keys(aead, kConnections, random);
    const Buffers texts(kBurst, kSize + 32, random);
    const Buffers packets(kBurst, kSize + 64, random);
    Bursts few(kBurst, random);
    Bursts bursts(kConnections, random);
    ProviderWorker cached("ipsec-mb", raw, kConnections);
    ProviderWorker expanding("ipsec-mb", raw, 2 * kBurst);
    ProviderWorker vaes("vaes", raw, kConnections);
    ProviderWorker openssl("openssl", raw);
    for (size_t i = 0; i < kConnections; i += kBurst) {
      const auto burst = bursts.next();
      cached.seal(burst, packets, texts, kSize, false);
      if (vaes.usable()) vaes.seal(burst, packets, texts, kSize, false);
    }
    const auto name = [&](const char* what) { return case_path("seal", aead, kSize, kConnections, what); };
    const auto seal = [&](ProviderWorker& worker, Bursts& from) {
      return [&] { worker.seal(from.next(), packets, texts, kSize, false); };
    };
    const std::string miss = std::string("schedule-miss/") + name_of(aead) + "/keys=" + std::to_string(kConnections);
    std::vector<Case> cases = {{name("32-of-them"), seal(cached, few), kBurst, kSize},
                               {name("cached-schedules"), seal(cached, bursts), kBurst, kSize},
                               {name("a-schedule-miss-each"), seal(expanding, bursts), kBurst, kSize},
                               {name("openssl"), seal(openssl, bursts), kBurst, kSize},
                               {miss + "/from-memory", seal(cached, bursts), kBurst, 0, 0},
                               {miss + "/expanded-anew", seal(expanding, bursts), kBurst, 0, 0}};
    if (vaes.usable()) cases.push_back({name("vaes/cached-schedules"), seal(vaes, bursts), kBurst, kSize});
    append(rows, measure("crypto", cases, turns));
  }
  return rows;
}

}  // namespace viaduct::perf
