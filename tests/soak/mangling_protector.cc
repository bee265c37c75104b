#include "tests/soak/mangling_protector.h"

#include <algorithm>

namespace viaduct::testing {
namespace {

// Every frame type of RFC 9000 and 9221, and some that are nobody's.
constexpr uint64_t kTypes[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,      0x0b, 0x0c,
                               0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,      0x18, 0x19,
                               0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x21, 0x30, 0x31, 0xaf, 0x40, 0x15228c00};

uint64_t any_number(Random& random) {
  switch (random.below(6)) {
    case 0:
      return random.below(4);
    case 1:
      return random.below(64);
    case 2:
      return random.below(1 << 14);
    case 3:
      return random.below(1 << 30);
    case 4:
      return kMaxVarint - random.below(3);
    default:
      return random.u64() & kMaxVarint;
  }
}

// Frames whose types exist and whose fields are anything.
void write_frames(Random& random, MutableBytes room) {
  ByteWriter writer(room);
  while (writer.ok() && writer.remaining() > 0) {
    writer.varint(kTypes[random.below(std::size(kTypes))]);
    for (uint64_t fields = random.below(6); fields > 0; --fields) writer.varint(any_number(random));
  }
}

void flip_bits(Random& random, MutableBytes bytes) {
  for (uint64_t flips = 1 + random.below(8); flips > 0; --flips) {
    bytes[random.below(bytes.size())] ^= static_cast<uint8_t>(1u << random.below(8));
  }
}

}  // namespace

ManglingProtector::ManglingProtector(uint64_t seed, unsigned one_rtt, unsigned handshake)
    : real_(crypto::make_protector()), random_(Random::from_seed(seed)), one_rtt_(one_rtt), handshake_(handshake) {}

std::unique_ptr<crypto::PacketKey> ManglingProtector::make_packet_key(const crypto::RawKeys& keys) {
  return real_->make_packet_key(keys);
}

std::unique_ptr<crypto::HeaderKey> ManglingProtector::make_header_key(const crypto::RawKeys& keys) {
  return real_->make_header_key(keys);
}

void ManglingProtector::seal(std::span<crypto::SealJob> jobs) {
  scratch_.resize(std::max(scratch_.size(), jobs.size()));
  for (size_t i = 0; i < jobs.size(); ++i) {
    const bool long_header = (jobs[i].associated_data[0] & 0x80) != 0;
    if (random_.below(256) < (long_header ? handshake_ : one_rtt_)) mangle(jobs[i], scratch_[i]);
  }
  real_->seal(jobs);
}

void ManglingProtector::mangle(crypto::SealJob& job, std::vector<uint8_t>& plaintext) {
  plaintext.clear();
  for (const Bytes& part : job.in) plaintext.insert(plaintext.end(), part.begin(), part.end());
  if (plaintext.empty()) return;
  ++mangled_;
  const MutableBytes all(plaintext);
  switch (random_.below(4)) {
    case 0:
      flip_bits(random_, all);
      break;
    case 1:
      random_.fill(all);
      break;
    case 2:
      write_frames(random_, all);
      break;
    default: {  // the front is right, then something else begins in the middle of it
      const size_t cut = random_.below(all.size());
      std::fill(all.begin() + static_cast<ptrdiff_t>(cut), all.end(), uint8_t{0});
      write_frames(random_, all.subspan(cut));
    }
  }
  job.in = {Bytes(plaintext), Bytes(), Bytes()};
}

}  // namespace viaduct::testing
