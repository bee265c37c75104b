// The client side of HTTP/3, kept to what load generators and tests need.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "apps/http3/message.h"
#include "apps/http3/own_streams.h"
#include "apps/http3/peer_streams.h"
#include "apps/http3/qpack.h"
#include "apps/http3/stream_table.h"
#include "base/intrusive_list.h"
#include "base/slab.h"
#include "engine/app_channel.h"

namespace viaduct::http3 {

struct ClientLimits {
  uint32_t max_connections = 1024;  // the endpoint's
  uint32_t max_requests = 16384;    // of all connections
  uint32_t max_field_section = 16 << 10;
  uint32_t max_gathered_sections = 256;
};

// How a request ended.
struct Ending {
  bool is_complete = false;  // the response is there whole
  bool is_reset = false;     // by the server, with `error`
  uint64_t error = 0;        // also of the connection, where that ended first
};

// Who asked. Calls come out of Client::step(); `cookie` is what request() was given.
class ClientHandler {
 public:
  virtual ~ClientHandler() = default;
  virtual void on_connected(quic::ConnectionHandle connection, uint64_t cookie) = 0;
  // `error` as in quic::Event. on_end() was called for all its requests before.
  virtual void on_disconnected(quic::ConnectionHandle connection, uint64_t error, bool is_application_error) = 0;
  // Also for each interim response.
  virtual void on_head(uint64_t cookie, const ResponseHead& head) = 0;
  virtual void on_body(uint64_t cookie, Bytes bytes) = 0;
  virtual void on_end(uint64_t cookie, const Ending& ending) = 0;
};

class Client {
 public:
  // A request takes one chunk (512 bytes of room or more) until it is acknowledged. All arguments outlive it.
  Client(const ClientLimits& limits, quic::AppChannel& channel, ChunkPool& chunks, ClientHandler& handler);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  struct RequestOptions {
    std::string_view method = "GET";
    std::string_view authority;
    std::string_view path = "/";
    std::span<const Field> fields;  // after the pseudo-fields
    uint64_t cookie = 0;
    // Content of this length is the chunk's bytes over and over. The chunk outlives the client.
    Chunk* content = nullptr;
    uint64_t content_length = 0;
  };
  // False, and nothing happened, where there is no room just now or no such connection.
  bool request(quic::ConnectionHandle connection, const RequestOptions& options);
  // CONNECTION_CLOSE with H3_NO_ERROR.
  void close(quic::ConnectionHandle connection);

  // Takes events; true where there were any.
  bool step();

  // The server's, once known.
  const Settings* settings(quic::ConnectionHandle connection);
  // The id at and above which the server will not answer, once it said GOAWAY.
  std::optional<uint64_t> goaway(quic::ConnectionHandle connection);

 private:
  struct Response : ListNode<> {
    quic::ConnectionHandle connection;
    uint64_t stream = 0;
    uint64_t cookie = 0;
    MessageReader reader{Role::kClient};
    bool has_head = false;
    bool is_head_request = false;
    std::optional<uint64_t> content_length;
    uint64_t content_received = 0;
    uint64_t section_length = 0;
    uint8_t* section = nullptr;
    uint32_t section_used = 0;
    Chunk* content = nullptr;  // what we send
    uint64_t content_left = 0;
    uint32_t writes_in_flight = 0;
  };
  struct Connection {
    explicit Connection(quic::ConnectionHandle h) : handle(h), peer(Role::kClient) {}
    quic::ConnectionHandle handle;
    PeerStreams peer;
    IdleFrames idle;
    IntrusiveList<Response> responses;
    uint64_t next_stream = 0;
    bool is_closing = false;
  };

  void on_event(const quic::Event& event);
  void on_released(const quic::Event& event);
  void write_content(Response& response);
  void abandon_content(Response& response);
  void on_closed(const quic::Event& event);
  void on_data(Connection& connection, const quic::Event& event);
  void on_reset(Connection& connection, const quic::Event& event);
  void read_response(Connection& connection, Response& response, Bytes bytes, bool fin);
  bool on_item(Connection& connection, Response& response, const MessageReader::Item& item);
  bool take_section_bytes(Connection& connection, Response& response, Bytes bytes);
  bool end_section(Connection& connection, Response& response, bool trailer);
  void on_fin(Connection& connection, Response& response);
  Connection* find_connection(quic::ConnectionHandle handle);
  Response* find_response(quic::ConnectionHandle connection, uint64_t stream);
  void fail(Connection& connection, Error error);
  void reject(Response& response, Error error);
  void finish(Response& response, const Ending& ending);

  ClientLimits limits_;
  quic::AppChannel& channel_;
  ChunkPool& chunks_;
  ClientHandler& handler_;
  OwnStreams own_;
  Qpack qpack_;
  FieldSection section_;
  std::vector<Field> request_fields_;
  Pool<Response> responses_;
  BytePool sections_;
  StreamTable streams_;
  std::unique_ptr<std::optional<Connection>[]> connections_;
  Bytes whole_section_;
};

}  // namespace viaduct::http3
