#include "apps/lb/control_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <format>

namespace viaduct::lb {
namespace {

// Whether a socket's file is left over from a process that is gone.
bool is_abandoned(const sockaddr_un& address) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int result = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool is_refused = result != 0 && errno == ECONNREFUSED;
  close(probe);
  return is_refused;
}

}  // namespace

std::expected<std::unique_ptr<ControlSocket>, std::string> ControlSocket::open(const std::string& path, Answer answer) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path)
    return std::unexpected(std::format("{}: is longer than {} bytes", path, sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat status{};
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) return std::unexpected(std::format("{}: is there and is no socket", path));
    if (!is_abandoned(address)) return std::unexpected(std::format("{}: another process listens there", path));
    unlink(path.c_str());
  }
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The file's mode comes from the umask at bind(): nobody else gets in, not even for a moment.
  const mode_t mask = umask(0177);
  const bool is_bound = socket >= 0 && bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const int problem = errno;
  umask(mask);
  if (!is_bound || listen(socket, static_cast<int>(kMostClients)) != 0) {
    if (socket >= 0) close(socket);
    return std::unexpected(std::format("{}: {}", path, std::strerror(is_bound ? errno : problem)));
  }
  return std::unique_ptr<ControlSocket>(new ControlSocket(path, socket, std::move(answer)));
}

ControlSocket::~ControlSocket() {
  for (const Client& client : clients_) close(client.socket);
  close(socket_);
  unlink(path_.c_str());
}

void ControlSocket::wait(int milliseconds) const {
  std::vector<pollfd> sockets;
  if (clients_.size() < kMostClients) sockets.push_back({socket_, POLLIN, 0});
  for (const Client& client : clients_) {
    const int events = (client.has_ended ? 0 : POLLIN) | (client.out.empty() ? 0 : POLLOUT);
    sockets.push_back({client.socket, static_cast<short>(events), 0});
  }
  poll(sockets.data(), sockets.size(), milliseconds);
}

void ControlSocket::serve() {
  take_clients();
  for (Client& client : clients_) {
    read(client);
    answer_lines(client);
    write(client);
  }
  std::erase_if(clients_, [](const Client& client) {
    const bool goes = client.is_done || (client.has_ended && client.out.empty());
    if (goes) close(client.socket);
    return goes;
  });
}

void ControlSocket::take_clients() {
  while (clients_.size() < kMostClients) {
    const int socket = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    clients_.push_back({socket, {}, {}});
  }
}

void ControlSocket::read(Client& client) {
  char bytes[16384];
  while (client.in.size() <= kMostLine) {
    const ssize_t count = recv(client.socket, bytes, sizeof bytes, 0);
    if (count > 0) {
      client.in.append(bytes, static_cast<size_t>(count));
      continue;
    }
    if (count == 0) client.has_ended = true;
    if (count < 0 && errno != EAGAIN && errno != EINTR) client.is_done = true;
    return;
  }
}

void ControlSocket::answer_lines(Client& client) {
  size_t start = 0;
  for (size_t end; (end = client.in.find('\n', start)) != std::string::npos; start = end + 1) {
    if (end > start) client.out += answer_(std::string_view(client.in).substr(start, end - start)) + '\n';
  }
  client.in.erase(0, start);
  if (client.in.size() > kMostLine || client.out.size() > kMostUnread) client.is_done = true;
}

void ControlSocket::write(Client& client) {
  while (!client.out.empty()) {
    const ssize_t count = send(client.socket, client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      if (errno != EAGAIN) client.is_done = true;
      return;
    }
    client.out.erase(0, static_cast<size_t>(count));
  }
}

}  // namespace viaduct::lb
