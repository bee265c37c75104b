// Parsers fed with damaged packets: they must end, stay inside their bytes (the sanitizers watch) and keep to what
// they promise of a frame that they accepted.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/wire/frame_writer.h"
#include "engine/wire/transport_parameters.h"
#include "tests/engine/wire/hex.h"
#include "tests/engine/wire/promises.h"

namespace viaduct::quic {
namespace {

constexpr int kRounds = 100'000;

// One of the samples, with some bytes changed, and cut or lengthened.
class Mutator {
 public:
  explicit Mutator(std::vector<std::vector<uint8_t>> samples) : samples_(std::move(samples)) {}

  std::vector<uint8_t> next() {
    std::vector<uint8_t> bytes = samples_[below(samples_.size())];
    for (uint64_t i = below(4); i > 0 && !bytes.empty(); --i) {
      bytes[below(bytes.size())] = below(3) == 0 ? 0xff : static_cast<uint8_t>(random_());
    }
    if (below(4) == 0) bytes.resize(below(bytes.size() + 20), static_cast<uint8_t>(random_()));
    return bytes;
  }
  uint64_t below(uint64_t n) { return random_() % n; }

 private:
  std::vector<std::vector<uint8_t>> samples_;
  std::mt19937_64 random_{20240229};
};

TEST(Mutations, FramesStayInTheirPacket) {
  Mutator mutator({from_hex("02 0a 00 02 02 00 01 01 00 03 6400 00 03 02 0001 0200 0101 01 02 03 01"),
                   from_hex("0e 04 4100 05 0102030405 0f 08 80001000 03 aabbcc 08 0c 0011223344"),
                   from_hex("06 00 0a 00112233445566778899 04 00 01 02 05 04 03 07 02 aabb 00 00 00"),
                   from_hex("10 4500 11 04 4500 12 08 13 08 14 00 15 04 00 16 08 17 08 19 01"),
                   from_hex("18 02 01 08 0011223344556677 00112233445566778899aabbccddeeff 1a 0011223344556677"),
                   from_hex("1c 0a 08 03 616263 1d 4100 03 616263 1e 31 03 aabbcc 30 0102030405")});
  const PacketType packets[] = {PacketType::kInitial, PacketType::kHandshake, PacketType::kZeroRtt,
                                PacketType::kOneRtt};
  uint64_t accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<uint8_t> packet = mutator.next();
    ByteReader reader(packet);
    const PacketType type = packets[std::min<uint64_t>(mutator.below(8), 3)];
    const Role sender = mutator.below(2) ? Role::kClient : Role::kServer;
    while (!reader.empty()) {
      const size_t before = reader.remaining();
      Frame frame;
      if (parse_frame(reader, type, sender, frame)) break;
      ASSERT_LT(reader.remaining(), before);
      ASSERT_EQ(test::broken_promise(frame, packet), "");
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 50'000u);
}

TEST(Mutations, HeadersStayInTheirDatagram) {
  Mutator mutator(
      {from_hex("c300000001088394c8f03e5157080008 746f6b656e746f6b 4018 00000002"
                "00112233445566778899aabbccddeeff00112233"),
       from_hex("e36b3343cf088394c8f03e51570808f067a5502a4262b5 16 0001 00112233445566778899aabbccddeeff00112233"),
       from_hex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"),
       from_hex("c0000000000008f067a5502a4262b5000000016b3343cf"),
       from_hex("418394c8f03e515708000100112233445566778899aabbccddeeff00112233")});
  uint64_t accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<uint8_t> datagram = mutator.next();
    const auto header = parse_packet_header(datagram, 8);
    if (!header) continue;
    ++accepted;
    ASSERT_EQ(test::broken_promise(*header, datagram), "");
  }
  EXPECT_GT(accepted, 10'000u);
}

TEST(Mutations, TransportParametersKeepTheirBounds) {
  Mutator mutator({from_hex("01048000ea60 0302 4550 0404 80100000 080240640a01030b01190e0104 0f08f067a5502a4262b5"),
                   from_hex("00088394c8f03e515708 1004 01020304 0210 00112233445566778899aabbccddeeff 0c00"),
                   from_hex("110c00000001000000016b3343cf 2004 8000ffff 6ab200"),
                   from_hex("0d2d 7f000001 01bb 00000000000000000000000000000001 01bb 04 01020304"
                            "00112233445566778899aabbccddeeff")});
  uint64_t accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    TransportParameters parameters;
    if (decode_transport_parameters(mutator.next(), mutator.below(2) ? Role::kClient : Role::kServer, parameters)) {
      continue;
    }
    ++accepted;
    ASSERT_EQ(test::broken_promise(parameters), "");
  }
  EXPECT_GT(accepted, 10'000u);
}

}  // namespace
}  // namespace viaduct::quic
