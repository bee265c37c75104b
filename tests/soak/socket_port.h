// A packet port over the kernel's UDP, for clients of tests that need no DPDK.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/packet_port.h"

namespace viaduct::testing {

// Datagrams between one local address and whoever Packet::path.remote names. One thread, but for wake().
class SocketPort {
 public:
  // Binds to `local` (port 0: any). Check ok() before use.
  explicit SocketPort(const SocketAddress& local, size_t packets = 4096);
  ~SocketPort();
  SocketPort(const SocketPort&) = delete;
  SocketPort& operator=(const SocketPort&) = delete;

  bool ok() const { return socket_ >= 0; }
  const SocketAddress& local() const { return local_; }

  size_t receive(std::span<Packet*> burst);
  size_t allocate(std::span<Packet*> burst);
  size_t send(std::span<Packet*> burst);
  void release(std::span<Packet*> burst);
  void wait(Instant deadline);
  void wake();

  // Sends bytes as they are; false where the kernel takes none now.
  bool send_bytes(std::span<const uint8_t> bytes, const SocketAddress& remote);

 private:
  static constexpr size_t kRoom = 2048;

  int socket_ = -1;
  int event_ = -1;
  SocketAddress local_;
  std::unique_ptr<uint8_t[]> bytes_;
  std::vector<Packet> packets_;
  std::vector<Packet*> free_;
};

static_assert(PacketPort<SocketPort>);

}  // namespace viaduct::testing
