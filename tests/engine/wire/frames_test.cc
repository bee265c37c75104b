// Each frame as written is as read, and a frame cut off is refused.
#include "engine/wire/frames.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "engine/wire/frame_writer.h"
#include "tests/engine/wire/hex.h"

namespace viaduct::quic {
namespace {

constexpr uint64_t kBig = uint64_t{1} << 40;

Frame parse(Bytes bytes, PacketType packet = PacketType::kOneRtt, Role sender = Role::kServer) {
  ByteReader reader(bytes);
  Frame frame;
  const TransportError error = parse_frame(reader, packet, sender, frame);
  EXPECT_FALSE(error) << error.reason;
  EXPECT_TRUE(reader.empty());
  return frame;
}

TransportError fault_of(Bytes bytes, PacketType packet = PacketType::kOneRtt, Role sender = Role::kServer) {
  ByteReader reader(bytes);
  Frame frame;
  return parse_frame(reader, packet, sender, frame);
}

struct RoundTrip {
  std::string name;
  std::function<bool(ByteWriter&)> write;
  std::function<void(const Frame&)> check;
  FrameType type;
  // Of the last field: frames that end with bytes up to the packet's end cannot be told from shorter ones.
  bool may_be_cut = false;
};

std::vector<RoundTrip> all_frames() {
  static const std::vector<uint8_t> bytes = from_hex("00112233445566778899");
  static const PathData path_data = {1, 2, 3, 4, 5, 6, 7, 8};
  static const NewConnectionIdFrame new_id{
      .sequence = 7, .retire_prior_to = 3, .id = ConnectionId(bytes), .token = {9, 8, 7}};
  static const PacketRange ranges[] = {{90, 100}, {80, 80}, {0, 50}};
  struct TwoRanges {
    size_t size() const { return std::size(ranges); }
    PacketRange from_largest(size_t i) const { return ranges[i]; }
  };
  static const EcnCounts ecn{1, 2, 30000};

  return {
      {"padding", [](auto& w) { return write_padding(w, 5); }, [](auto& f) { EXPECT_EQ(f.padding.count, 5u); },
       FrameType::kPadding, true},
      {"ping", [](auto& w) { return write_ping(w); }, [](auto&) {}, FrameType::kPing},
      {"ack", [](auto& w) { return write_ack(w, TwoRanges{}, 77, nullptr); },
       [](auto& f) {
         EXPECT_EQ(f.ack.largest, 100u);
         EXPECT_EQ(f.ack.delay, 77u);
         EXPECT_EQ(f.ack.range_count, 2u);
         EXPECT_FALSE(f.ack.has_ecn);
       },
       FrameType::kAck},
      {"ack with ecn", [](auto& w) { return write_ack(w, TwoRanges{}, 77, &ecn); },
       [](auto& f) { EXPECT_TRUE(f.ack.has_ecn && f.ack.ecn == ecn); }, FrameType::kAck},
      {"reset stream", [](auto& w) { return write_reset_stream(w, 4, 5, kBig); },
       [](auto& f) {
         EXPECT_EQ(f.reset_stream.stream, 4u);
         EXPECT_EQ(f.reset_stream.error, 5u);
         EXPECT_EQ(f.reset_stream.final_size, kBig);
       },
       FrameType::kResetStream},
      {"stop sending", [](auto& w) { return write_stop_sending(w, 4, 500); },
       [](auto& f) {
         EXPECT_EQ(f.stop_sending.stream, 4u);
         EXPECT_EQ(f.stop_sending.error, 500u);
       },
       FrameType::kStopSending},
      {"crypto", [](auto& w) { return write_crypto(w, 1000, bytes); },
       [](auto& f) {
         EXPECT_EQ(f.crypto.offset, 1000u);
         EXPECT_TRUE(equal(f.crypto.data, bytes));
       },
       FrameType::kCrypto},
      {"new token", [](auto& w) { return write_new_token(w, bytes); },
       [](auto& f) { EXPECT_TRUE(equal(f.new_token.token, bytes)); }, FrameType::kNewToken},
      {"stream",
       [](auto& w) {
         if (!write_stream_header(w, 8, 0, bytes.size(), false)) return false;
         return w.bytes(bytes), w.ok();
       },
       [](auto& f) {
         EXPECT_EQ(f.wire_type, 0x0au);
         EXPECT_EQ(f.stream.stream, 8u);
         EXPECT_EQ(f.stream.offset, 0u);
         EXPECT_FALSE(f.stream.fin);
         EXPECT_TRUE(equal(f.stream.data, bytes));
       },
       FrameType::kStream},
      {"stream with offset and end",
       [](auto& w) {
         if (!write_stream_header(w, 9, kBig, bytes.size(), true)) return false;
         return w.bytes(bytes), w.ok();
       },
       [](auto& f) {
         EXPECT_EQ(f.wire_type, 0x0fu);
         EXPECT_EQ(f.stream.offset, kBig);
         EXPECT_TRUE(f.stream.fin);
       },
       FrameType::kStream},
      {"max data", [](auto& w) { return write_max_data(w, kBig); }, [](auto& f) { EXPECT_EQ(f.max_data.limit, kBig); },
       FrameType::kMaxData},
      {"max stream data", [](auto& w) { return write_max_stream_data(w, 3, kBig); },
       [](auto& f) { EXPECT_TRUE(f.max_stream_data.stream == 3 && f.max_stream_data.limit == kBig); },
       FrameType::kMaxStreamData},
      {"max streams", [](auto& w) { return write_max_streams(w, false, 100); },
       [](auto& f) { EXPECT_TRUE(!f.max_streams.unidirectional && f.max_streams.limit == 100); },
       FrameType::kMaxStreams},
      {"max streams, one way", [](auto& w) { return write_max_streams(w, true, kMaxStreamCount); },
       [](auto& f) { EXPECT_TRUE(f.max_streams.unidirectional && f.max_streams.limit == kMaxStreamCount); },
       FrameType::kMaxStreams},
      {"data blocked", [](auto& w) { return write_data_blocked(w, kBig); },
       [](auto& f) { EXPECT_EQ(f.data_blocked.limit, kBig); }, FrameType::kDataBlocked},
      {"stream data blocked", [](auto& w) { return write_stream_data_blocked(w, 3, kBig); },
       [](auto& f) { EXPECT_TRUE(f.stream_data_blocked.stream == 3 && f.stream_data_blocked.limit == kBig); },
       FrameType::kStreamDataBlocked},
      {"streams blocked", [](auto& w) { return write_streams_blocked(w, true, 100); },
       [](auto& f) { EXPECT_TRUE(f.streams_blocked.unidirectional && f.streams_blocked.limit == 100); },
       FrameType::kStreamsBlocked},
      {"new connection id", [](auto& w) { return write_new_connection_id(w, new_id); },
       [](auto& f) {
         EXPECT_EQ(f.new_connection_id.sequence, 7u);
         EXPECT_EQ(f.new_connection_id.retire_prior_to, 3u);
         EXPECT_EQ(f.new_connection_id.id, new_id.id);
         EXPECT_EQ(f.new_connection_id.token, new_id.token);
       },
       FrameType::kNewConnectionId},
      {"retire connection id", [](auto& w) { return write_retire_connection_id(w, 70); },
       [](auto& f) { EXPECT_EQ(f.retire_connection_id.sequence, 70u); }, FrameType::kRetireConnectionId},
      {"path challenge", [](auto& w) { return write_path_challenge(w, path_data); },
       [](auto& f) { EXPECT_EQ(f.path_challenge.data, path_data); }, FrameType::kPathChallenge},
      {"path response", [](auto& w) { return write_path_response(w, path_data); },
       [](auto& f) { EXPECT_EQ(f.path_response.data, path_data); }, FrameType::kPathResponse},
      {"connection close",
       [](auto& w) { return write_connection_close(w, {ErrorCode::kFinalSizeError, 0x08, "because"}); },
       [](auto& f) {
         EXPECT_FALSE(f.connection_close.application);
         EXPECT_EQ(f.connection_close.error, 6u);
         EXPECT_EQ(f.connection_close.frame_type, 8u);
         EXPECT_EQ(f.connection_close.reason.size(), 7u);
       },
       FrameType::kConnectionClose, true},
      {"application close", [](auto& w) { return write_application_close(w, 0x100, bytes); },
       [](auto& f) {
         EXPECT_TRUE(f.connection_close.application);
         EXPECT_EQ(f.connection_close.error, 0x100u);
         EXPECT_TRUE(equal(f.connection_close.reason, bytes));
       },
       FrameType::kConnectionClose, true},
      {"handshake done", [](auto& w) { return write_handshake_done(w); }, [](auto&) {}, FrameType::kHandshakeDone},
      {"datagram",
       [](auto& w) {
         if (!write_datagram_header(w, bytes.size())) return false;
         return w.bytes(bytes), w.ok();
       },
       [](auto& f) {
         EXPECT_TRUE(equal(f.datagram.data, bytes));
         EXPECT_EQ(f.datagram.frame_size, 1 + 1 + bytes.size());
       },
       FrameType::kDatagram},
  };
}

TEST(Frames, AreReadAsTheyWereWritten) {
  for (const RoundTrip& frame : all_frames()) {
    SCOPED_TRACE(frame.name);
    uint8_t room[200];
    ByteWriter writer(room);
    ASSERT_TRUE(frame.write(writer));
    const Frame read = parse(writer.written());
    EXPECT_EQ(read.type, frame.type);
    EXPECT_NE(frame_name(read.type), "UNKNOWN");
    frame.check(read);
  }
}

TEST(Frames, CutOffAnywhereAreEncodingErrors) {
  for (const RoundTrip& frame : all_frames()) {
    if (frame.type == FrameType::kPadding) continue;
    SCOPED_TRACE(frame.name);
    uint8_t room[200];
    ByteWriter writer(room);
    ASSERT_TRUE(frame.write(writer));
    for (size_t size = 0; size < writer.size(); ++size) {
      EXPECT_EQ(fault_of(writer.written().first(size)).code, ErrorCode::kFrameEncodingError) << size;
    }
  }
}

// A builder tries frames against what room is left: none may leave a part behind.
TEST(Frames, AreWrittenWholeOrNotAtAll) {
  for (const RoundTrip& frame : all_frames()) {
    SCOPED_TRACE(frame.name);
    uint8_t room[200];
    ByteWriter whole(room);
    ASSERT_TRUE(frame.write(whole));
    const bool writes_bytes_itself = frame.type == FrameType::kStream || frame.type == FrameType::kDatagram;
    if (frame.may_be_cut || writes_bytes_itself || frame.type == FrameType::kAck) continue;
    for (size_t size = 0; size < whole.size(); ++size) {
      ByteWriter writer({room, size});
      EXPECT_FALSE(frame.write(writer)) << size;
      EXPECT_EQ(writer.size(), 0u);
      EXPECT_TRUE(writer.ok());
    }
  }
}

TEST(Frames, WithoutALengthReachToThePacketsEnd) {
  const Frame stream = parse(from_hex("08 04 aabbcc"));
  EXPECT_EQ(stream.stream.data.size(), 3u);
  const Frame at_offset = parse(from_hex("0d 04 4100 aabbcc"));
  EXPECT_EQ(at_offset.stream.offset, 256u);
  EXPECT_TRUE(at_offset.stream.fin);
  const Frame datagram = parse(from_hex("30 aabb"));
  EXPECT_EQ(datagram.datagram.data.size(), 2u);
  EXPECT_EQ(datagram.datagram.frame_size, 3u);
}

TEST(Frames, OutOfBoundsAreEncodingErrors) {
  struct Case {
    const char* what;
    const char* bytes;
  };
  for (const Case& c : {
           // proves RFC 9000 12.4-4
           Case{"unknown type", "20"},
           Case{"unknown type of two bytes", "4052"},
           // proves RFC 9000 19.8-2
           Case{"stream beyond 2^62", "0e 00 ffffffffffffffff 01 aa"},
           // proves RFC 9000 19.6-1
           Case{"crypto beyond 2^62", "06 ffffffffffffffff 01 aa"},
           // proves RFC 9000 19.7-2
           Case{"empty token", "07 00"},
           // proves RFC 9000 4.6-1 19.11-1
           Case{"streams over 2^60", "12 d000000000000001"},
           Case{"one-way streams over 2^60", "13 d000000000000001"},
           // proves RFC 9000 19.14-2
           Case{"streams blocked over 2^60", "16 d000000000000001"},
           // proves RFC 9000 19.15-1
           Case{"empty connection id", "18 01 00 00 00112233445566778899aabbccddeeff"},
           Case{"connection id of 21 bytes",
                "18 01 00 15 000000000000000000000000000000000000000000 00112233445566778899aabbccddeeff"},
           // proves RFC 9000 19.15-6
           Case{"retires itself", "18 01 02 04 01020304 00112233445566778899aabbccddeeff"},
       }) {
    const TransportError error = fault_of(from_hex(c.bytes));
    EXPECT_EQ(error.code, ErrorCode::kFrameEncodingError) << c.what;
    EXPECT_FALSE(error.reason.empty());
  }
}

// RFC 9000 section 12.4.
// proves RFC 9000 12.4-5
TEST(Frames, TypesMustBeInTheirShortestForm) {
  const TransportError error = fault_of(from_hex("4001"));
  EXPECT_EQ(error.code, ErrorCode::kProtocolViolation);
  EXPECT_EQ(error.frame_type, 1u);
  EXPECT_EQ(fault_of(from_hex("80000010 05")).code, ErrorCode::kProtocolViolation);
}

TEST(Frames, NeighbouringPaddingIsTakenTogether) {
  const auto bytes = from_hex("0000000001");
  ByteReader reader(bytes);
  Frame frame;
  ASSERT_FALSE(parse_frame(reader, PacketType::kInitial, Role::kClient, frame));
  EXPECT_EQ(frame.padding.count, 4u);
  ASSERT_FALSE(parse_frame(reader, PacketType::kInitial, Role::kClient, frame));
  EXPECT_EQ(frame.type, FrameType::kPing);
}

TEST(Frames, CloseReasonsAreCutToTheRoom) {
  const std::vector<uint8_t> reason(200, 'x');
  for (size_t room = 4; room < 220; ++room) {
    std::vector<uint8_t> bytes(room);
    ByteWriter writer(bytes);
    ASSERT_TRUE(write_application_close(writer, 5, reason));
    const Frame frame = parse(writer.written());
    EXPECT_GE(writer.size() + 1, std::min<size_t>(room, 204));
    EXPECT_EQ(frame.connection_close.error, 5u);
  }
  std::vector<uint8_t> bytes(2);
  ByteWriter writer(bytes);
  EXPECT_FALSE(write_application_close(writer, 5, reason));
}

// What fits behind a header is as much as can be: one byte more would not.
TEST(Frames, DataRoomIsExact) {
  for (size_t room = 0; room < 17000; room = room < 200 || room > 16300 ? room + 1 : room + 97) {
    const size_t data = stream_data_room(room, 1000, 70);
    EXPECT_LE(data == 0 ? 0 : stream_header_size(1000, 70, data) + data, room);
    EXPECT_GT(stream_header_size(1000, 70, data + 1) + data + 1, room);
    const size_t crypto = crypto_data_room(room, 70);
    EXPECT_LE(crypto == 0 ? 0 : crypto_header_size(70, crypto) + crypto, room);
    EXPECT_GT(crypto_header_size(70, crypto + 1) + crypto + 1, room);
    const size_t datagram = datagram_data_room(room);
    EXPECT_LE(datagram == 0 ? 0 : datagram_header_size(datagram) + datagram, room);
    EXPECT_GT(datagram_header_size(datagram + 1) + datagram + 1, room);
  }
}

}  // namespace
}  // namespace viaduct::quic
