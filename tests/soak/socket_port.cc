#include "tests/soak/socket_port.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace viaduct::testing {
namespace {

socklen_t to_kernel(const SocketAddress& address, sockaddr_storage& storage) {
  std::memset(&storage, 0, sizeof storage);
  if (address.ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.ip.v4_bytes(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  std::memcpy(&v6.sin6_addr, address.ip.bytes.data(), 16);
  return sizeof v6;
}

SocketAddress from_kernel(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    return {IpAddress::v4(reinterpret_cast<const uint8_t*>(&v4.sin_addr)), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  return {IpAddress::v6(reinterpret_cast<const uint8_t*>(&v6.sin6_addr)), ntohs(v6.sin6_port)};
}

}  // namespace

SocketPort::SocketPort(const SocketAddress& local, size_t packets)
    : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), bytes_(new uint8_t[packets * kRoom]), packets_(packets) {
  for (size_t i = 0; i < packets; ++i) {
    packets_[i].buffer = &bytes_[i * kRoom];
    packets_[i].capacity = kRoom;
    free_.push_back(&packets_[i]);
  }
  sockaddr_storage storage;
  socklen_t size = to_kernel(local, storage);
  const int handle = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (handle < 0) return;
  const int room = 4 << 20;
  setsockopt(handle, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(handle, reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    close(handle);
    return;
  }
  size = sizeof storage;
  getsockname(handle, reinterpret_cast<sockaddr*>(&storage), &size);
  local_ = from_kernel(storage);
  socket_ = handle;
}

SocketPort::~SocketPort() {
  if (socket_ >= 0) close(socket_);
  close(event_);
}

size_t SocketPort::receive(std::span<Packet*> burst) {
  size_t count = allocate(burst);
  size_t received = 0;
  while (received < count) {
    Packet& packet = *burst[received];
    sockaddr_storage from;
    socklen_t size = sizeof from;
    const ssize_t length =
        recvfrom(socket_, packet.data(), packet.room(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (length < 0) break;
    packet.length = static_cast<uint16_t>(length);
    packet.path = {local_, from_kernel(from)};
    ++received;
  }
  release(burst.subspan(received, count - received));
  return received;
}

size_t SocketPort::allocate(std::span<Packet*> burst) {
  size_t count = 0;
  while (count < burst.size() && !free_.empty()) {
    Packet* packet = free_.back();
    free_.pop_back();
    packet->offset = kHeadroom;
    packet->length = 0;
    packet->references = 0;
    packet->ecn = Ecn::kNotEct;
    burst[count++] = packet;
  }
  return count;
}

size_t SocketPort::send(std::span<Packet*> burst) {
  size_t sent = 0;
  while (sent < burst.size() && send_bytes(burst[sent]->bytes(), burst[sent]->path.remote)) ++sent;
  release(burst.first(sent));
  return sent;
}

void SocketPort::release(std::span<Packet*> burst) { free_.insert(free_.end(), burst.begin(), burst.end()); }

void SocketPort::wait(Instant deadline) {
  const int64_t left = deadline.is_never() ? 1'000 : (deadline - MonotonicClock::now()).ms();
  pollfd handles[] = {{socket_, POLLIN, 0}, {event_, POLLIN, 0}};
  if (left > 0) poll(handles, 2, static_cast<int>(std::min<int64_t>(left, 1'000)));
  uint64_t count;
  while (read(event_, &count, sizeof count) > 0) {
  }
}

void SocketPort::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event_, &one, sizeof one);
}

bool SocketPort::send_bytes(std::span<const uint8_t> bytes, const SocketAddress& remote) {
  sockaddr_storage to;
  const socklen_t size = to_kernel(remote, to);
  const ssize_t sent = sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), size);
  return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);  // what is refused for another reason is gone
}

}  // namespace viaduct::testing
