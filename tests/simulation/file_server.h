// Answers requests with as many bytes as they ask for, on bidirectional streams; takes what comes on others.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tests/simulation/transfer_app.h"

namespace viaduct::sim {

class FileServer : public TransferApp {
 public:
  struct Closed {
    uint64_t error = 0;
    bool application_error = false;
  };

  explicit FileServer(const TransferOptions& options = {}) : TransferApp(options) {}

  size_t opened() const { return opened_; }
  const std::vector<Closed>& closed() const { return closed_; }
  size_t connections() const { return connections_.size(); }
  // Requests whose upload came to its end and whose answer was written to its end.
  size_t requests_served() const { return requests_served_; }

 private:
  struct Stream {
    std::array<uint8_t, kRequestSize> request;
    size_t request_bytes = 0;
    uint64_t upload = 0;
    uint64_t uploaded = 0;
    bool upload_ended = false;
    std::optional<Outgoing> answer;
  };
  using Streams = std::map<uint64_t, Stream>;

  void on_event(const quic::Event& event, Instant now) override;
  void on_data(const quic::Event& event, Stream& stream);
  void begin_answer(uint64_t id, Stream& stream);
  void settle(const quic::Event& event, Streams& streams);

  std::map<Handle, Streams> connections_;
  size_t opened_ = 0;
  std::vector<Closed> closed_;
  size_t requests_served_ = 0;
};

}  // namespace viaduct::sim
