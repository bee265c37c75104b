// The streams of one connection: their frames in both directions, the application's commands and events for them,
// flow control and limits.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/intrusive_list.h"
#include "engine/app_channel.h"
#include "engine/recovery/sent_packet.h"
#include "engine/stream/stream_id.h"
#include "engine/stream/stream_resources.h"
#include "engine/wire/frames.h"
#include "engine/wire/transport_parameters.h"

namespace viaduct::quic {

// What we let a peer do; the initial values of the transport parameters.
struct StreamLimits {
  uint64_t connection_window = 0;      // bytes ahead of what was consumed, in all
  uint64_t max_connection_window = 0;  // that it may grow to
  uint64_t stream_window = 0;          // the same on one stream
  uint64_t max_stream_window = 0;
  uint64_t max_streams_bidi = 0;  // open at a time
  uint64_t max_streams_uni = 0;
  uint64_t max_waiting_streams = 512;  // of ours, of both kinds, beyond the peer's limits
};

// Bytes to put into a STREAM frame: written by write_stream_header(), then sealed from where they lie.
struct StreamData {
  uint64_t stream = 0;
  SendSpan span;
};

// Stays where it was made.
class StreamSet {
 public:
  StreamSet(StreamResources& resources, Role role, const StreamLimits& limits);
  ~StreamSet();
  StreamSet(const StreamSet&) = delete;
  StreamSet& operator=(const StreamSet&) = delete;

  // The peer's transport parameters are authentic. Nothing of ours is sent before.
  void set_peer_limits(const TransportParameters& peer);

  // A client's 0-RTT was rejected: as if nothing had been sent and no limit been known (RFC 9001 section 4.6.2).
  void unsend();

  // --- frames from the peer ---
  FrameOutcome on_stream(const StreamFrame& frame);
  FrameOutcome on_reset_stream(const ResetStreamFrame& frame);
  FrameOutcome on_stop_sending(const StopSendingFrame& frame);
  FrameOutcome on_max_stream_data(const MaxStreamDataFrame& frame);
  FrameOutcome on_stream_data_blocked(const StreamDataBlockedFrame& frame);
  void on_max_data(const MaxDataFrame& frame);
  void on_max_streams(const MaxStreamsFrame& frame);

  // --- commands of the application ---
  enum class WriteResult : uint8_t {
    kDone,      // taken; also where the stream is gone: the chunk then comes back by an event
    kNoWrites,  // no node is free: to be tried again when writes were released
    kNoStreams  // it would open a stream, and none is free or too many wait for the peer's limit; nothing was taken
  };
  WriteResult write(const Command& command);
  // reliable: bytes that are delivered all the same, where the peer knows RESET_STREAM_AT.
  void reset(uint64_t stream, uint64_t error, uint64_t reliable = 0);
  void stop_sending(uint64_t stream, uint64_t error);
  // After ReceiveStore::consume(), which the endpoint calls also for connections that are gone.
  void on_consumed(const Consumed& consumed);

  // --- events for the application ---
  bool has_events() const;
  // The next event but for its connection, which the caller fills in; false where there is none.
  bool next_event(Event& event);

  // --- to the packet builder (1-RTT, or 0-RTT once it is there) ---
  bool has_control() const { return due_ != 0 || !to_control_.empty(); }
  // Writes one control frame (RESET_STREAM, STOP_SENDING, MAX_*, *_BLOCKED) and says what to record of it. False
  // where none is due or the next one does not fit. rtt: smoothed, for the windows.
  bool write_control(ByteWriter& writer, SentFrame& record, Instant now, Duration rtt);
  // Whether a limit of the peer's held us up since repeat_blocked() last found none that does.
  bool was_blocked() const { return was_blocked_; }
  // Makes the *_BLOCKED frame of one such limit due again; false where there is none any more.
  bool repeat_blocked();
  // Whether next_data() is worth asking.
  bool has_data() const { return !ready_.empty(); }
  // The next bytes to send in a packet with `room` bytes left, header included; marked as sent, round robin among
  // streams from packet to packet. False where there are none or nothing fits.
  bool next_data(size_t room, StreamData& data);
  static SentFrame record_of(const StreamData& data) {
    return {.id = data.stream,
            .offset = data.span.offset,
            .length = data.span.length,
            .type = SentFrameType::kStream,
            .fin = data.span.fin};
  }

  // --- from recovery: the fate of frames. Types that are not ours are ignored. ---
  // Soon on_acked() will be called of the stream, which may be in no near cache.
  void expect_acked(uint64_t id) const { resources_.table.prefetch(number_, id); }
  void on_acked(const SentFrame& frame);
  void on_lost(const SentFrame& frame);

  // The connection is closed: streams go, and all writes become kReleased events. Only events may follow.
  void close();

  size_t open_streams() const { return open_; }
  const ReceiveWindow& receive_window() const { return receive_window_; }
  const SendWindow& send_window() const { return send_window_; }

 private:
  enum Due : uint8_t {
    kMaxData = 1,
    kMaxStreamsBidi = 2,
    kMaxStreamsUni = 4,
    kDataBlocked = 8,
    kStreamsBlockedBidi = 16,
    kStreamsBlockedUni = 32
  };
  enum class Part : uint8_t { kSend, kReceive };

  // Streams of one kind (bidirectional or not) that we open.
  struct OwnKind {
    uint64_t opened = 0;        // by the application; some may wait for the peer's limit
    uint64_t limit = 0;         // the peer's
    uint64_t blocked_told = 0;  // one more than the limit that STREAMS_BLOCKED was sent for
    bool limit_event = false;   // kStreamLimit is to be told
    IntrusiveList<Stream, StreamsToSend> waiting;
  };
  // The same that the peer opens.
  struct PeerKind {
    uint64_t opened = 0;
    uint64_t closed = 0;  // of the opened ones
    uint64_t limit = 0;   // ours, as last told
    uint64_t window = 0;  // open at a time
  };

  // --- stream_set.cc ---
  FrameOutcome find(uint64_t id, Part part, FrameType frame, Stream*& stream);
  FrameOutcome open_for_peer(uint64_t id, FrameType frame, Stream*& stream);
  Stream* make_stream(uint64_t id);
  uint64_t send_limit_for(uint64_t id) const;
  void finish_if_done(Stream& stream);
  void check_stream_limit(bool unidirectional);
  void check_receive_window();
  void schedule_data(Stream& stream);
  void set_due(Stream& stream, uint8_t due);
  void update_events(Stream& stream);

  // --- stream_commands.cc ---
  Stream* open_own(uint64_t id);
  bool next_limit_event(Event& event);
  void next_stream_event(Stream& stream, Event& event);
  bool next_released_event(Event& event);
  uint64_t drop_quiet_writes();
  void forget(Write& write);

  // --- stream_sending.cc ---
  void note_blocked(Stream& stream);
  void note_streams_blocked(bool unidirectional);
  uint64_t next_stream_limit(const PeerKind& kind) const;
  bool write_due(uint8_t due, ByteWriter& writer, SentFrame& record, Instant now, Duration rtt);
  bool write_stream_due(Stream& stream, uint8_t due, ByteWriter& writer, SentFrame& record, Instant now, Duration rtt);
  bool is_wanted(const Stream& stream, uint8_t due) const;
  void on_stream_frame_lost(Stream& stream, const SentFrame& frame);

  StreamResources& resources_;
  const uint32_t number_;
  const Role role_;
  const StreamLimits limits_;
  uint8_t due_ = 0;
  bool was_blocked_ = false;
  size_t open_ = 0;
  uint64_t waiting_ = 0;  // streams beyond the peer's limits
  ReceiveWindow receive_window_;
  SendWindow send_window_;
  bool peer_takes_reset_at_ = false;
  uint64_t own_bidi_limit_ = 0;   // bytes on a new stream: bidirectional of ours,
  uint64_t peer_bidi_limit_ = 0;  // bidirectional of the peer's,
  uint64_t own_uni_limit_ = 0;    // unidirectional of ours
  std::array<OwnKind, 2> own_;    // bidirectional, unidirectional
  std::array<PeerKind, 2> peer_;
  IntrusiveList<Stream, AllStreams> all_;
  IntrusiveList<Stream, StreamsToSend> ready_;
  IntrusiveList<Stream, StreamsToSend> blocked_;  // by the connection's flow control
  IntrusiveList<Stream, StreamsToControl> to_control_;
  IntrusiveList<Stream, StreamsToTell> to_tell_;
  WriteList released_;
};

}  // namespace viaduct::quic
