#include "crypto-offload/gcm_calibration.h"

#include <x86intrin.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace viaduct::crypto {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kTurns = 9;
constexpr size_t kHeaderSize = 20;      // the associated data
constexpr size_t kFrameHeaderSize = 8;  // what a server seals begins with one, elsewhere than the rest
constexpr size_t kRoom = 1 + (kHeaderSize + kTriedSizes.back() + kTagSize) / 64 * 64 + 64;

// One side of the comparison: a burst of packets, each of a key of its own.
class Side {
 public:
  explicit Side(PacketProtector& protector)
      : protector_(protector), texts_(kBurst * kRoom, 0x5a), packets_(kBurst * kRoom) {
    for (size_t i = 0; i < kBurst; ++i) {
      RawKeys raw;
      raw.key.fill(static_cast<uint8_t>(i));
      keys_.push_back(protector.make_packet_key(raw));
    }
  }

  uint64_t seal(size_t size) {
    for (size_t i = 0; i < kBurst; ++i) {
      uint8_t* packet = packets_.data() + i * kRoom;
      const Bytes text(texts_.data() + i * kRoom, size);
      seals_[i] = {keys_[i].get(),
                   i,
                   {packet, kHeaderSize},
                   {text.first(kFrameHeaderSize), text.subspan(kFrameHeaderSize), Bytes()},
                   packet + kHeaderSize};
    }
    const uint64_t start = __rdtsc();
    protector_.seal(seals_);
    return __rdtsc() - start;
  }
  // What seal() made of the same size; opening destroys it.
  uint64_t open(size_t size) {
    seal(size);
    for (size_t i = 0; i < kBurst; ++i) {
      uint8_t* packet = packets_.data() + i * kRoom;
      opens_[i] = {keys_[i].get(), i, {packet, kHeaderSize}, {packet + kHeaderSize, size + kTagSize}, false};
    }
    const uint64_t start = __rdtsc();
    protector_.open(opens_);
    return __rdtsc() - start;
  }

 private:
  PacketProtector& protector_;
  std::vector<std::unique_ptr<PacketKey>> keys_;
  std::vector<uint8_t> texts_;
  std::vector<uint8_t> packets_;
  std::array<SealJob, kBurst> seals_;
  std::array<OpenJob, kBurst> opens_;
};

// The medians decide: a turn in which the CPU did something else is one of many.
template <class Run>
bool wins(Side& library, Side& ours, Run&& run) {
  std::array<uint64_t, kTurns> theirs_took, ours_took;
  for (size_t turn = 0; turn < kTurns; ++turn) {
    theirs_took[turn] = run(library);
    ours_took[turn] = run(ours);
  }
  std::ranges::nth_element(theirs_took, theirs_took.begin() + kTurns / 2);
  std::ranges::nth_element(ours_took, ours_took.begin() + kTurns / 2);
  return ours_took[kTurns / 2] * 100 <= theirs_took[kTurns / 2] * kWinningPercent;
}

}  // namespace

GcmChoice measure_gcm(PacketProtector& library, PacketProtector& ours) {
  Side theirs(library), own(ours);
  GcmChoice choice;
  for (size_t i = 0; i < kTriedSizes.size(); ++i) {
    const size_t size = kTriedSizes[i];
    choice.seal[i] = wins(theirs, own, [size](Side& side) { return side.seal(size); });
    choice.open[i] = wins(theirs, own, [size](Side& side) { return side.open(size); });
  }
  return choice;
}

}  // namespace viaduct::crypto
