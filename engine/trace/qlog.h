// Trace events as qlog, a JSON text sequence (RFC 7464): one text for each event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/trace/trace_event.h"

namespace viaduct::quic {

enum class QlogSchema : uint8_t {
  k03,     // qlog 0.3, which qvis loads
  kNewer,  // draft-ietf-quic-qlog-main-schema: names with the prefix "quic:"
};

// The log of one connection.
class QlogWriter {
 public:
  // started: its kStarted. epoch_ms: milliseconds of Unix time at the zero of event times.
  QlogWriter(QlogSchema schema, const TraceEvent& started, double epoch_ms);

  // "<connection ID>_<role>.sqlog": what the file is called.
  const std::string& file_name() const { return file_name_; }
  // The text of the head, before all events.
  std::string head() const;
  // Appends the text of an event; nothing where it belongs to one that is still to come.
  void append(const TraceEvent& event, std::string& out);

 private:
  void append_packet(const TraceEvent& event, std::string& out);
  void append_frame(const TraceEvent& event);
  void append_ranges(const TraceEvent& event);
  void append_event(const TraceEvent& event, std::string_view category, std::string_view name, std::string_view data,
                    std::string& out) const;

  QlogSchema schema_;
  Instant start_;
  double epoch_ms_;
  bool is_server_;
  std::string id_;
  std::string file_name_;
  std::string frames_;  // of the packet that comes next
  bool ranges_open_ = false;
};

}  // namespace viaduct::quic
