#include "perf/crypto/provider_worker.h"

#include <algorithm>
#include <cstdlib>

#include "crypto-offload/key_schedule.h"

namespace viaduct::perf {

using crypto::Aead;
using crypto::MaskJob;
using crypto::RawKeys;

namespace {

void apply(const MaskJob& job, uint8_t* packet) {
  packet[0] ^= job.mask[0] & 0x1f;
  for (size_t i = 0; i < kPacketNumberSize; ++i) packet[kHeaderSize - kPacketNumberSize + i] ^= job.mask[1 + i];
}

}  // namespace

ProviderWorker::ProviderWorker(const std::string& provider, const std::vector<RawKeys>& raw, size_t schedules)
    : protector_(crypto::make_protector(provider, {.schedules = schedules})) {
  if (!protector_) return;
  for (const RawKeys& key : raw) {
    keys_.push_back(protector_->make_packet_key(key));
    header_keys_.push_back(protector_->make_header_key(key));
  }
}

void ProviderWorker::seal(std::span<const uint32_t> connections, const Buffers& packets, const Buffers& texts,
                          size_t size, bool split) {
  for (size_t i = 0; i < connections.size(); ++i) {
    uint8_t* packet = packets[i];
    const Bytes text(texts[i], size);
    seals_[i].key = keys_[connections[i]].get();
    seals_[i].packet_number = ++packet_number_;
    seals_[i].associated_data = {packet, kHeaderSize};
    seals_[i].out = packet + kHeaderSize;
    if (split) {
      seals_[i].in = {Bytes(frame_headers_[i]), text.first(size - kFrameHeaderSize), Bytes()};
    } else {
      seals_[i].in = {text, Bytes(), Bytes()};
    }
    masks_[i].key = header_keys_[connections[i]].get();
    masks_[i].sample = packet + kSampleOffset;
  }
  protector_->seal({seals_.data(), connections.size()});
  protector_->header_masks({masks_.data(), connections.size()});
  for (size_t i = 0; i < connections.size(); ++i) apply(masks_[i], packets[i]);
}

void ProviderWorker::open(std::span<const uint32_t> connections, const Buffers& packets, size_t size) {
  for (size_t i = 0; i < connections.size(); ++i) {
    masks_[i].key = header_keys_[connections[i]].get();
    masks_[i].sample = packets[i] + kSampleOffset;
  }
  protector_->header_masks({masks_.data(), connections.size()});
  for (size_t i = 0; i < connections.size(); ++i) {
    apply(masks_[i], packets[i]);
    opens_[i].key = keys_[connections[i]].get();
    opens_[i].packet_number = i + 1;  // as seal() numbers the first burst
    opens_[i].associated_data = {packets[i], kHeaderSize};
    opens_[i].data = {packets[i] + kHeaderSize, size + crypto::kTagSize};
  }
  protector_->open({opens_.data(), connections.size()});
  for (size_t i = 0; i < connections.size(); ++i) {
    if (!opens_[i].ok) std::abort();
  }
}

void ProviderWorker::prepare_masks(std::span<const uint32_t> connections, const Buffers& packets) {
  for (size_t i = 0; i < connections.size(); ++i) {
    masks_[i].key = header_keys_[connections[i]].get();
    masks_[i].sample = packets[i];
  }
}

void ProviderWorker::masks() {
  protector_->header_masks(masks_);
  asm volatile("" ::"r"(masks_.data()) : "memory");
}

Bursts::Bursts(size_t connections, std::mt19937_64& random) : order_(std::max(connections, size_t{kBurst})) {
  for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<uint32_t>(i % connections);
  if (connections > kBurst) std::shuffle(order_.begin(), order_.end(), random);
  order_.resize(order_.size() / kBurst * kBurst);
}

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

std::string case_path(const char* operation, Aead aead, size_t size, size_t keys, const std::string& what) {
  return std::string(operation) + "/" + name_of(aead) + "/" + std::to_string(size) + "/keys=" + std::to_string(keys) +
         "/" + what;
}

void append(std::vector<Row>& rows, std::vector<Row> more) { rows.insert(rows.end(), more.begin(), more.end()); }

}  // namespace viaduct::perf
