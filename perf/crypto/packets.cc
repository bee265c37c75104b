#include "perf/crypto/packets.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include "base/packet.h"
#include "crypto-offload/cid_cipher.h"
#include "crypto-offload/key_schedule.h"
#include "crypto-offload/packet_protector.h"
#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/buffers.h"

namespace viaduct::perf {
namespace {

using crypto::Aead;
using crypto::MaskJob;
using crypto::OpenJob;
using crypto::PacketProtector;
using crypto::RawKeys;
using crypto::SealJob;

constexpr size_t kHeaderSize = 20;      // a short header, or so: the associated data
constexpr size_t kFrameHeaderSize = 8;  // of a STREAM frame
constexpr size_t kPacketNumberSize = 2;
constexpr size_t kSizes[] = {64, 256, 1200, 1452, 8952};

const char* name_of(Aead aead) {
  if (aead == Aead::kAes128Gcm) return "aes-128-gcm";
  return aead == Aead::kAes256Gcm ? "aes-256-gcm" : "chacha20-poly1305";
}

std::vector<RawKeys> random_keys(Aead aead, size_t count, std::mt19937_64& random) {
  std::vector<RawKeys> keys(count);
  for (RawKeys& key : keys) {
    std::array<uint8_t, 32> secret;
    for (uint8_t& byte : secret) byte = static_cast<uint8_t>(random());
    key = crypto::derive_keys(crypto::kQuicVersion1, aead, secret);
  }
  return keys;
}

// A provider with keys of many connections, and what a worker does to a burst of their packets.
class Worker {
 public:
  Worker(const char* provider, const std::vector<RawKeys>& raw, size_t schedules = 4096)
      : protector_(crypto::make_protector(provider, {.schedules = schedules})) {
    for (const RawKeys& key : raw) {
      keys_.push_back(protector_->make_packet_key(key));
      header_keys_.push_back(protector_->make_header_key(key));
    }
  }

  // Packet i of the burst belongs to connection connections[i]. `split`: the text begins with a frame header
  // elsewhere.
  void seal(std::span<const uint32_t> connections, const Buffers& packets, const Buffers& texts, size_t size,
            bool split) {
    std::array<SealJob, kBurst> jobs;
    std::array<MaskJob, kBurst> masks;
    for (size_t i = 0; i < connections.size(); ++i) {
      uint8_t* packet = packets[i];
      const Bytes text(texts[i], size);
      jobs[i].key = keys_[connections[i]].get();
      jobs[i].packet_number = ++packet_number_;
      jobs[i].associated_data = {packet, kHeaderSize};
      jobs[i].out = packet + kHeaderSize;
      if (split) {
        jobs[i].in = {Bytes(frame_headers_[i]), text.first(size - kFrameHeaderSize), Bytes()};
      } else {
        jobs[i].in = {text, Bytes(), Bytes()};
      }
      masks[i].key = header_keys_[connections[i]].get();
      masks[i].sample = packet + kHeaderSize - kPacketNumberSize + 4;
    }
    protector_->seal({jobs.data(), connections.size()});
    protector_->header_masks({masks.data(), connections.size()});
    for (size_t i = 0; i < connections.size(); ++i) apply(masks[i], packets[i]);
  }

  // Removes header protection and opens in place; packets hold what `texts` seals to.
  void open(std::span<const uint32_t> connections, const Buffers& packets, size_t size) {
    std::array<OpenJob, kBurst> jobs;
    std::array<MaskJob, kBurst> masks;
    for (size_t i = 0; i < connections.size(); ++i) {
      masks[i].key = header_keys_[connections[i]].get();
      masks[i].sample = packets[i] + kHeaderSize - kPacketNumberSize + 4;
    }
    protector_->header_masks({masks.data(), connections.size()});
    for (size_t i = 0; i < connections.size(); ++i) {
      apply(masks[i], packets[i]);
      jobs[i].key = keys_[connections[i]].get();
      jobs[i].packet_number = i + 1;  // as seal() numbers the first burst
      jobs[i].associated_data = {packets[i], kHeaderSize};
      jobs[i].data = {packets[i] + kHeaderSize, size + crypto::kTagSize};
    }
    protector_->open({jobs.data(), connections.size()});
    if (!jobs[0].ok) std::abort();
  }

  void masks(std::span<const uint32_t> connections, const Buffers& packets) {
    std::array<MaskJob, kBurst> masks;
    for (size_t i = 0; i < connections.size(); ++i) {
      masks[i].key = header_keys_[connections[i]].get();
      masks[i].sample = packets[i];
    }
    protector_->header_masks({masks.data(), connections.size()});
    for (size_t i = 0; i < connections.size(); ++i) sink_ = sink_ + masks[i].mask[0];
  }

 private:
  static void apply(const MaskJob& job, uint8_t* packet) {
    packet[0] ^= job.mask[0] & 0x1f;
    for (size_t i = 0; i < kPacketNumberSize; ++i) packet[kHeaderSize - kPacketNumberSize + i] ^= job.mask[1 + i];
  }

  std::unique_ptr<PacketProtector> protector_;
  std::vector<std::unique_ptr<crypto::PacketKey>> keys_;
  std::vector<std::unique_ptr<crypto::HeaderKey>> header_keys_;
  std::array<std::array<uint8_t, kFrameHeaderSize>, kBurst> frame_headers_{};
  uint64_t packet_number_ = 0;
  volatile unsigned sink_ = 0;
};

// Bursts over connections: with as many as a burst has packets, each has one; with more, they are drawn.
class Bursts {
 public:
  Bursts(size_t connections, std::mt19937_64& random) : order_(std::max(connections, size_t{kBurst})) {
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<uint32_t>(i % connections);
    if (connections > kBurst) std::shuffle(order_.begin(), order_.end(), random);
    order_.resize(order_.size() / kBurst * kBurst);
  }
  std::span<const uint32_t> next() {
    at_ = at_ + kBurst >= order_.size() ? 0 : at_ + kBurst;
    return std::span<const uint32_t>(order_).subspan(at_, kBurst);
  }

 private:
  std::vector<uint32_t> order_;
  size_t at_ = 0;
};

std::string path(const char* operation, Aead aead, size_t size, size_t keys, const char* what) {
  return std::string(operation) + "/" + name_of(aead) + "/" + std::to_string(size) + "/keys=" + std::to_string(keys) +
         "/" + what;
}

std::vector<Row> bench_seal_one(Aead aead, size_t size, size_t connections, size_t turns) {
  std::mt19937_64 random(size);
  const auto raw = random_keys(aead, connections, random);
  const Buffers texts(kBurst, size + 32, random);
  const Buffers packets(kBurst, size + 64, random);
  Bursts bursts(connections, random);
  BareCipher bare(raw);
  Worker ours("ipsec-mb", raw, std::max<size_t>(connections, 64));
  Worker openssl("openssl", raw);
  const auto name = [&](const char* what) { return path("seal", aead, size, connections, what); };
  const double bytes = static_cast<double>(size);
  return measure(
      "crypto",
      {{name("bare"),
        [&] {
          const auto burst = bursts.next();
          for (size_t i = 0; i < kBurst; ++i) {
            bare.seal(burst[i], packets[i] + kHeaderSize, texts[i], size, packets[i], kHeaderSize);
          }
        },
        kBurst, bytes},
       {name("ipsec-mb/one-span"), [&] { ours.seal(bursts.next(), packets, texts, size, false); }, kBurst, bytes},
       {name("ipsec-mb/header+application"), [&] { ours.seal(bursts.next(), packets, texts, size, true); }, kBurst,
        bytes},
       {name("openssl/one-span"), [&] { openssl.seal(bursts.next(), packets, texts, size, false); }, kBurst, bytes}},
      turns);
}

// Opening destroys what it opens, so each burst is copied from a sealed one, and the copying is taken off.
std::vector<Row> bench_open_one(Aead aead, size_t size, size_t connections, size_t turns) {
  std::mt19937_64 random(size);
  const auto raw = random_keys(aead, connections, random);
  const Buffers texts(kBurst, size + 32, random);
  const Buffers sealed(kBurst, size + 64, random);
  const Buffers packets(kBurst, size + 64, random);
  std::array<uint32_t, kBurst> burst;
  for (size_t i = 0; i < kBurst; ++i) burst[i] = static_cast<uint32_t>(i % connections);
  BareCipher bare(raw);
  Worker ours("ipsec-mb", raw);
  Worker openssl("openssl", raw);
  ours.seal(burst, sealed, texts, size, false);
  const auto copy = [&] {
    for (size_t i = 0; i < kBurst; ++i) {
      std::memcpy(packets[i], sealed[i], kHeaderSize + size + crypto::kTagSize);
      asm volatile("" ::: "memory");
    }
  };
  const auto name = [&](const char* what) { return path("open", aead, size, connections, what); };
  const double bytes = static_cast<double>(size);
  return measure("crypto",
                 {{name("bare"),
                   [&] {
                     copy();
                     for (size_t i = 0; i < kBurst; ++i) {
                       bare.open(burst[i], packets[i] + kHeaderSize, size, packets[i], kHeaderSize);
                     }
                   },
                   kBurst, bytes, 3},
                  {name("ipsec-mb"), [&] { copy(), ours.open(burst, packets, size); }, kBurst, bytes, 3},
                  {name("openssl"), [&] { copy(), openssl.open(burst, packets, size); }, kBurst, bytes, 3},
                  {name("copy-taken-off"), copy, kBurst, bytes}},
                 turns);
}

void append(std::vector<Row>& rows, std::vector<Row> more) { rows.insert(rows.end(), more.begin(), more.end()); }

}  // namespace

std::vector<Row> bench_seal(size_t turns) {
  std::vector<Row> rows;
  for (const size_t size : kSizes) append(rows, bench_seal_one(Aead::kAes128Gcm, size, kBurst, turns));
  append(rows, bench_seal_one(Aead::kAes128Gcm, 1200, 1, turns));
  append(rows, bench_seal_one(Aead::kAes256Gcm, 1200, kBurst, turns));
  append(rows, bench_seal_one(Aead::kChaCha20Poly1305, 1200, kBurst, turns));
  return rows;
}

std::vector<Row> bench_open(size_t turns) {
  std::vector<Row> rows;
  for (const size_t size : kSizes) append(rows, bench_open_one(Aead::kAes128Gcm, size, kBurst, turns));
  append(rows, bench_open_one(Aead::kAes256Gcm, 1200, kBurst, turns));
  append(rows, bench_open_one(Aead::kChaCha20Poly1305, 1200, kBurst, turns));
  return rows;
}

// More connections than any CPU cache holds schedules of: kept expanded in memory, or expanded for each packet.
std::vector<Row> bench_many_connections(size_t turns) {
  constexpr size_t kConnections = 10000;
  constexpr size_t kSize = 1200;
  std::mt19937_64 random(kConnections);
  const auto raw = random_keys(Aead::kAes128Gcm, kConnections, random);
  const Buffers texts(kBurst, kSize + 32, random);
  const Buffers packets(kBurst, kSize + 64, random);
  Bursts few(kBurst, random);
  Bursts bursts(kConnections, random);
  Worker cached("ipsec-mb", raw, kConnections);
  Worker expanding("ipsec-mb", raw, 2 * kBurst);
  const auto name = [&](const char* what) { return path("seal", Aead::kAes128Gcm, kSize, kConnections, what); };
  return measure(
      "crypto",
      {{name("warm: 32 of them"), [&] { cached.seal(few.next(), packets, texts, kSize, false); }, kBurst, kSize},
       {name("cached schedules"), [&] { cached.seal(bursts.next(), packets, texts, kSize, false); }, kBurst, kSize},
       {name("a schedule miss each"), [&] { expanding.seal(bursts.next(), packets, texts, kSize, false); }, kBurst,
        kSize}},
      turns);
}

std::vector<Row> bench_header_masks(size_t turns) {
  std::vector<Row> rows;
  for (const Aead aead : {Aead::kAes128Gcm, Aead::kAes256Gcm, Aead::kChaCha20Poly1305}) {
    for (const size_t connections : {size_t{1}, size_t{kBurst}}) {
      std::mt19937_64 random(connections);
      const auto raw = random_keys(aead, connections, random);
      const Buffers packets(kBurst, 64, random);
      Bursts bursts(connections, random);
      Worker openssl("openssl", raw);
      Worker ours("ipsec-mb", raw);
      const std::string front =
          std::string("header-masks/") + name_of(aead) + "/keys=" + std::to_string(connections) + "/";
      append(rows, measure("crypto",
                           {{front + "openssl", [&] { openssl.masks(bursts.next(), packets); }, kBurst},
                            {front + "ipsec-mb", [&] { ours.masks(bursts.next(), packets); }, kBurst}},
                           turns));
    }
  }
  return rows;
}

// The cipher's part of reading QUIC-LB connection IDs: one decryption, or three encryptions that depend on
// each other.
std::vector<Row> bench_connection_ids(size_t turns) {
  std::mt19937_64 random(1);
  std::array<uint8_t, crypto::BlockCipher::kKeySize> key;
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
  const crypto::BlockCipher ours(key);
  const crypto::BlockCipher portable(key, crypto::BlockCipher::Code::kPortable);
  std::vector<crypto::Block> blocks(kBurst);
  const auto passes = [&](const crypto::BlockCipher& cipher) {
    for (int pass = 0; pass < 3; ++pass) cipher.encrypt_blocks(blocks);
  };
  std::vector<Row> rows = measure("crypto",
                                  {{"connection-id/four-pass/portable", [&] { passes(portable); }, kBurst},
                                   {"connection-id/four-pass/aes-ni", [&] { passes(ours); }, kBurst}},
                                  turns);
  append(rows, measure("crypto",
                       {{"connection-id/single-pass/portable", [&] { portable.decrypt_blocks(blocks); }, kBurst},
                        {"connection-id/single-pass/aes-ni", [&] { ours.decrypt_blocks(blocks); }, kBurst}},
                       turns));
  return rows;
}

}  // namespace viaduct::perf
