// A virtual cable of the kernel's (veth) between this process's network namespace and another one.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace viaduct::test {

// Ends the program with one clear line where it is not root. Moves the process into a network namespace of its own;
// before EAL and any thread start.
void enter_private_network();

// A thread in a network namespace of its own: the host at the far end of the cable. Both vanish with the object.
class FarHost {
 public:
  // Lays the cable: near_interface here and far_interface there, with these addresses ("198.18.0.2/24") on the far end.
  // The near end is DPDK's: it gets none.
  FarHost(const std::string& near_interface, const std::string& far_interface, const std::string& address4,
          const std::string& address6, unsigned mtu = 1500);
  ~FarHost();
  FarHost(const FarHost&) = delete;
  FarHost& operator=(const FarHost&) = delete;

  // Runs something there, to its end.
  void run(const std::function<void()>& what);
  // Runs a command there; it must succeed.
  void command(const std::string& line);

 private:
  struct Inside;
  const std::string near_interface_;
  Inside* inside_;
};

// A socket of the kernel's, connected to an address; what is in it waits a second for an answer.
class UdpSocket {
 public:
  UdpSocket(const std::string& address, unsigned port);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  bool send(const std::string& payload);
  // What came, or nothing after a second.
  std::string receive();
  int descriptor() const { return socket_; }

 private:
  int socket_;
};

}  // namespace viaduct::test
