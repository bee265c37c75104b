// The balancer's own Unix socket: lines in, lines out, for whoever may open it (mode 0600).
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viaduct::lb {

// All calls are the control thread's; none blocks but wait(). What clients can fill is bounded: their number, the
// length of a line and what waits to be read by them; a client that goes beyond is put out.
class ControlSocket {
 public:
  static constexpr size_t kMostClients = 16;
  static constexpr size_t kMostLine = size_t{1} << 20;
  static constexpr size_t kMostUnread = size_t{16} << 20;

  using Answer = std::function<std::string(std::string_view line)>;

  // path: at most 107 bytes; its folder must be there. A socket that nobody listens on any more is replaced; one that
  // somebody does, or another kind of file, is an error. The error is one sentence.
  static std::expected<std::unique_ptr<ControlSocket>, std::string> open(const std::string& path, Answer answer);
  // Closes everything and removes the file.
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // Sleeps until something came from a client, or so many milliseconds.
  void wait(int milliseconds) const;
  // Takes clients and lines in, answers each complete line.
  void serve();
  size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    int socket = -1;
    std::string in, out;
    bool has_ended = false;  // sends nothing more; may still be reading
    bool is_done = false;
  };

  ControlSocket(std::string path, int socket, Answer answer)
      : path_(std::move(path)), socket_(socket), answer_(std::move(answer)) {}
  void take_clients();
  void read(Client& client);
  void answer_lines(Client& client);
  void write(Client& client);

  const std::string path_;
  const int socket_;
  const Answer answer_;
  std::vector<Client> clients_;
};

}  // namespace viaduct::lb
