// A client's first Initials, where they are to look like nothing in particular.
#include "engine/connection/connection.h"
#include "engine/connection/packet_part.h"
#include "engine/endpoint/shard.h"
#include "engine/wire/frame_writer.h"

namespace viaduct::quic {
namespace {

// What headers of packet and frames leave of the least datagram.
constexpr uint32_t kScrambleRoom = 1000;
// PADDING between two frames, at most.
constexpr uint64_t kMaxGap = 24;

}  // namespace

// The whole ClientHello is there.
void Connection::plan_scramble() {
  if (role_ != Role::kClient || !shard_.config.scramble_initials) return;
  CryptoStream& stream = handshake_->stream(PacketSpace::kInitial);
  handshake_->scrambled = scramble(static_cast<uint32_t>(stream.take_all()), kScrambleRoom, shard_.services.random);
}

// Pieces from the plan, with PING and PADDING between them. A piece that is too large is cut once more.
void Connection::write_scrambled(PacketPart& part) {
  CryptoStream& stream = handshake_->stream(PacketSpace::kInitial);
  Random& random = shard_.services.random;
  ByteWriter& writer = part.payload.writer;
  auto& pieces = handshake_->scrambled;
  while (!pieces.empty() && !part.is_full()) {
    CryptoPiece& piece = pieces.front();
    const size_t room = crypto_data_room(writer.remaining(), piece.offset);
    if (room == 0) return;
    const auto length = static_cast<uint32_t>(std::min<size_t>(piece.length, room));
    write_crypto(writer, piece.offset, stream.sent_bytes(piece.offset, length));
    part.record_eliciting({.offset = piece.offset, .length = length, .type = SentFrameType::kCrypto});
    piece.offset += length;
    piece.length -= length;
    if (piece.length == 0) pieces.erase(pieces.begin());
    if (random.below(2) == 0) write_ping(writer);
    write_padding(writer, std::min<size_t>(random.below(kMaxGap), writer.remaining()));
  }
}

}  // namespace viaduct::quic
