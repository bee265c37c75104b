// The peer's unidirectional streams: control, QPACK, and those nobody knows (RFC 9114 section 6.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "apps/http3/errors.h"
#include "apps/http3/frames.h"
#include "apps/http3/message_reader.h"
#include "apps/http3/settings.h"
#include "base/bytes.h"

namespace viaduct::http3 {

// How many frames that carry nothing a peer may send in a row: H3_EXCESSIVE_LOAD beyond
// (RFC 9114 section 10.5). What a peer needs for padding and grease is far below.
class IdleFrames {
 public:
  static constexpr unsigned kMost = 1000;
  // False where it was one too many.
  bool count() { return ++count_ <= kMost; }
  // Something useful came: a request earns some.
  void forgive() { count_ -= count_ < 32 ? count_ : 32; }

 private:
  unsigned count_ = 0;
};

// Reads them all; keeps what they say about the connection. Bounded: streams whose type has not
// arrived whole, and how many ignored streams are remembered.
class PeerStreams {
 public:
  explicit PeerStreams(Role self) : self_(self) {}

  struct Outcome {
    std::optional<Error> error;  // close the connection with it
    bool stop = false;           // STOP_SENDING this stream: its type is unknown here
  };
  Outcome on_data(uint64_t stream, Bytes bytes, bool fin, IdleFrames& idle);
  Outcome on_reset(uint64_t stream);

  // Null until the peer's SETTINGS are there.
  const Settings* settings() const { return state_ == ControlState::kOpen ? &settings_.settings() : nullptr; }
  // The peer's last GOAWAY: a stream id from a server, a push id from a client.
  std::optional<uint64_t> goaway() const { return goaway_; }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};
  static constexpr size_t kMaxUntyped = 4;
  static constexpr size_t kRemembered = 32;
  static constexpr uint64_t kMaxSettingsSize = 4096;
  static constexpr uint64_t kMaxPriorityUpdateSize = 1024;

  enum class ControlState : uint8_t { kFirstFrame, kSettings, kOpen };
  struct Untyped {
    uint64_t stream = kNone;
    VarintReader type;
  };

  Outcome on_type(uint64_t stream, uint64_t type);
  Outcome claim(uint64_t& slot, uint64_t stream);
  std::optional<Error> on_control(Bytes bytes, IdleFrames& idle);
  std::optional<Error> begin_frame(uint64_t type, uint64_t length, IdleFrames& idle);
  std::optional<Error> on_payload(uint64_t type, Bytes payload);
  std::optional<Error> end_frame(uint64_t type);
  std::optional<Error> on_integer(FrameType type, uint64_t value);
  std::optional<Error> on_decoder_instructions(Bytes bytes);
  bool is_critical(uint64_t stream) const;
  Untyped* find_untyped(uint64_t stream);
  bool is_ignored(uint64_t stream) const;
  void ignore(uint64_t stream);

  Role self_;
  ControlState state_ = ControlState::kFirstFrame;
  bool has_integer_ = false;
  uint8_t instruction_bytes_ = 0;  // of a decoder instruction's integer that goes on
  uint8_t ignored_next_ = 0;
  uint64_t control_ = kNone;
  uint64_t encoder_ = kNone;
  uint64_t decoder_ = kNone;
  FrameReader frames_;
  SettingsReader settings_;
  VarintReader integer_;
  uint64_t integer_value_ = 0;
  std::optional<uint64_t> goaway_;
  std::optional<uint64_t> max_push_id_;
  std::array<Untyped, kMaxUntyped> untyped_;
  std::array<uint32_t, kRemembered> ignored_{};  // stream / 4 + 1 of the last ones; 0: none
};

}  // namespace viaduct::http3
