#include "engine/trace/qlog.h"

#include <algorithm>
#include <chrono>
#include <format>

#include "base/address.h"
#include "base/bytes.h"
#include "engine/wire/frame_type.h"
#include "engine/wire/role.h"
#include "engine/wire/version.h"

namespace viaduct::quic {
namespace {

constexpr char kRecord = 0x1e;  // RFC 7464

std::string hex(const uint8_t* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += std::format("{:02x}", bytes[i]);
  return text;
}

std::string_view packet_name(uint8_t type) {
  switch (static_cast<PacketType>(type)) {
    case PacketType::kInitial:
      return "initial";
    case PacketType::kZeroRtt:
      return "0RTT";
    case PacketType::kHandshake:
      return "handshake";
    case PacketType::kRetry:
      return "retry";
    case PacketType::kOneRtt:
      return "1RTT";
    case PacketType::kVersionNegotiation:
      return "version_negotiation";
  }
  return "unknown";
}

// How qlog calls a frame and what it says of it.
struct FrameNames {
  FrameType type;
  const char* name;
  std::array<const char*, 3> values;
  const char* flag = nullptr;
};
constexpr FrameNames kFrameNames[] = {
    {FrameType::kPadding, "padding", {}},
    {FrameType::kPing, "ping", {}},
    {FrameType::kAck, "ack", {"ack_delay"}},
    {FrameType::kResetStream, "reset_stream", {"stream_id", "error_code", "final_size"}},
    {FrameType::kStopSending, "stop_sending", {"stream_id", "error_code"}},
    {FrameType::kCrypto, "crypto", {"offset", "length"}},
    {FrameType::kNewToken, "new_token", {}},
    {FrameType::kStream, "stream", {"stream_id", "offset", "length"}, "fin"},
    {FrameType::kMaxData, "max_data", {"maximum"}},
    {FrameType::kMaxStreamData, "max_stream_data", {"stream_id", "maximum"}},
    {FrameType::kMaxStreams, "max_streams", {"maximum"}},
    {FrameType::kDataBlocked, "data_blocked", {"limit"}},
    {FrameType::kStreamDataBlocked, "stream_data_blocked", {"stream_id", "limit"}},
    {FrameType::kStreamsBlocked, "streams_blocked", {"limit"}},
    {FrameType::kNewConnectionId, "new_connection_id", {"sequence_number"}},
    {FrameType::kRetireConnectionId, "retire_connection_id", {"sequence_number"}},
    {FrameType::kPathChallenge, "path_challenge", {}},
    {FrameType::kPathResponse, "path_response", {}},
    {FrameType::kConnectionClose, "connection_close", {"error_code"}},
    {FrameType::kHandshakeDone, "handshake_done", {}},
    {FrameType::kDatagram, "datagram", {"length"}},
};

}  // namespace

QlogWriter::QlogWriter(QlogSchema schema, const TraceEvent& started, double epoch_ms)
    : schema_(schema),
      start_(started.time),
      epoch_ms_(epoch_ms),
      is_server_(static_cast<Role>(started.detail) == Role::kServer),
      id_(hex(started.bytes.data(), std::min<size_t>(started.length, started.bytes.size()))),
      file_name_(id_ + (is_server_ ? "_server.sqlog" : "_client.sqlog")) {}

std::string QlogWriter::head() const {
  const std::string_view side = is_server_ ? "server" : "client";
  const double start_ms = epoch_ms_ + static_cast<double>(start_.ns()) / 1e6;
  if (schema_ == QlogSchema::k03) {
    return std::format(
        R"({}{{"qlog_version":"0.3","qlog_format":"JSON-SEQ","title":"viaduct","trace":{{"vantage_point":{{"type":"{}"}},)"
        R"("common_fields":{{"ODCID":"{}","group_id":"{}","protocol_type":["QUIC"],"time_format":"relative",)"
        R"("reference_time":{:.3f}}}}}}})"
        "\n",
        kRecord, side, id_, id_, start_ms);
  }
  return std::format(
      R"({}{{"file_schema":"urn:ietf:params:qlog:file:sequential","serialization_format":"application/qlog+json-seq",)"
      R"("title":"viaduct","trace":{{"event_schemas":["urn:ietf:params:qlog:events:quic-13"],)"
      R"("vantage_point":{{"type":"{}"}},"common_fields":{{"group_id":"{}","time_format":"relative_to_epoch",)"
      R"("reference_time":{{"clock_type":"monotonic","epoch":"unknown","wall_clock_time":"{:%FT%TZ}"}}}}}}}})"
      "\n",
      kRecord, side, id_,
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(static_cast<int64_t>(start_ms))));
}

void QlogWriter::append_event(const TraceEvent& event, std::string_view category, std::string_view name,
                              std::string_view data, std::string& out) const {
  const double ms = static_cast<double>((event.time - start_).ns()) / 1e6;
  const std::string_view prefix = schema_ == QlogSchema::k03 ? category : "quic";
  out += std::format("{}{{\"time\":{:.3f},\"name\":\"{}:{}\",\"data\":{{{}}}}}\n", kRecord, ms, prefix, name, data);
}

void QlogWriter::append(const TraceEvent& event, std::string& out) {
  const auto& v = event.values;
  const auto ms = [&](size_t i) { return static_cast<double>(v[i]) / 1e6; };
  switch (event.type) {
    case TraceType::kStarted:
    case TraceType::kGone:
      return;
    case TraceType::kPath: {
      IpAddress ip;
      std::copy_n(event.bytes.begin(), ip.bytes.size(), ip.bytes.begin());
      const unsigned port = event.bytes[16] << 8 | event.bytes[17];
      const std::string_view key = is_server_ ? "src" : "dst";
      return append_event(event, "connectivity", "connection_started",
                          std::format(R"("{}_ip":"{}","{}_port":{})", key, ip.to_string(), key, port), out);
    }
    case TraceType::kParameters:
      return append_event(
          event, "transport", "parameters_set",
          std::format(R"("owner":"remote","initial_max_data":{},"initial_max_stream_data_bidi_local":{},)"
                      R"("initial_max_streams_bidi":{},"initial_max_streams_uni":{},"max_idle_timeout":{})",
                      v[0], v[1], v[2], v[3], v[4]),
          out);
    case TraceType::kFrame:
      return append_frame(event);
    case TraceType::kAckRanges:
      return append_ranges(event);
    case TraceType::kSent:
    case TraceType::kReceived:
      return append_packet(event, out);
    case TraceType::kLost:
      return append_event(
          event, "recovery", "packet_lost",
          std::format(R"("header":{{"packet_type":"{}","packet_number":{}}})", packet_name(event.detail), v[0]), out);
    case TraceType::kMetrics:
      return append_event(event, "recovery",
                          schema_ == QlogSchema::k03 ? "metrics_updated" : "recovery_metrics_updated",
                          std::format(R"("congestion_window":{},"bytes_in_flight":{},"min_rtt":{:.3f},)"
                                      R"("smoothed_rtt":{:.3f},"latest_rtt":{:.3f})",
                                      v[0], v[1], ms(2), ms(3), ms(4)),
                          out);
    case TraceType::kClosed:
      return append_event(event, "connectivity", "connection_closed",
                          std::format(R"("{}":{})", event.flag ? "application_code" : "connection_code", v[0]), out);
  }
}

void QlogWriter::append_frame(const TraceEvent& event) {
  if (ranges_open_) frames_ += "]}";
  ranges_open_ = false;
  if (!frames_.empty()) frames_ += ",";
  const auto found = std::ranges::find(kFrameNames, static_cast<FrameType>(event.detail), &FrameNames::type);
  if (found == std::end(kFrameNames)) {
    frames_ += std::format(R"({{"frame_type":"unknown","raw_frame_type":{}}})", event.detail);
    return;
  }
  frames_ += std::format(R"({{"frame_type":"{}")", found->name);
  for (size_t i = 0; i < found->values.size() && found->values[i]; ++i) {
    frames_ += std::format(R"(,"{}":{})", found->values[i], event.values[i]);
  }
  if (found->flag) frames_ += std::format(R"(,"{}":{})", found->flag, event.flag);
  ranges_open_ = found->type == FrameType::kAck;
  frames_ += ranges_open_ ? R"(,"acked_ranges":[)" : "}";
}

void QlogWriter::append_ranges(const TraceEvent& event) {
  if (!ranges_open_) return;  // the frame itself was dropped
  for (size_t i = 0; i < std::min<size_t>(event.length, 2); ++i) {
    if (frames_.back() == ']') frames_ += ",";
    frames_ += std::format("[{},{}]", event.values[2 * i], event.values[2 * i + 1]);
  }
}

void QlogWriter::append_packet(const TraceEvent& event, std::string& out) {
  if (ranges_open_) frames_ += "]}";
  ranges_open_ = false;
  append_event(event, "transport", event.type == TraceType::kSent ? "packet_sent" : "packet_received",
               std::format(R"("header":{{"packet_type":"{}","packet_number":{}}},"raw":{{"length":{}}},"frames":[{}])",
                           packet_name(event.detail), event.values[0], event.length, frames_),
               out);
  frames_.clear();
}

}  // namespace viaduct::quic
