#include "tests/pmd-glue/virtual_cable.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "base/address.h"

namespace viaduct::test {
namespace {

bool has_kernel_interface(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

void run_command(const std::string& line) {
  ASSERT_EQ(std::system((line + " >&2").c_str()), 0) << line;  // NOLINT(bugprone-command-processor)
}

}  // namespace

void enter_private_network() {
  if (geteuid() == 0 && unshare(CLONE_NEWNET) == 0) return;
  std::fprintf(stderr, "this test makes network namespaces and needs root\n");
  std::_Exit(1);
}

// The thread that lives there, and the one thing that it is asked to run.
struct FarHost::Inside {
  std::mutex mutex;
  std::condition_variable changed;
  const std::function<void()>* task = nullptr;
  pid_t thread_id = 0;
  bool stop = false;
  std::thread thread;

  void live() {
    std::unique_lock lock(mutex);
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    thread_id = gettid();
    changed.notify_all();
    for (;;) {
      changed.wait(lock, [&] { return stop || task; });
      if (stop) return;
      (*task)();
      task = nullptr;
      changed.notify_all();
    }
  }
};

FarHost::FarHost(const std::string& near_interface, const std::string& far_interface, const std::string& address4,
                 const std::string& address6, unsigned mtu)
    : near_interface_(near_interface), inside_(new Inside) {
  inside_->thread = std::thread([this] { inside_->live(); });
  {
    std::unique_lock lock(inside_->mutex);
    inside_->changed.wait(lock, [&] { return inside_->thread_id != 0; });
  }
  const std::string size = " mtu " + std::to_string(mtu);
  run_command("ip link add " + near_interface + size + " type veth peer name " + far_interface + size + " netns " +
              std::to_string(inside_->thread_id));
  run_command("ip link set " + near_interface + " up");
  command("ip link set lo up && ip link set " + far_interface + " up && ip addr add " + address4 + " dev " +
          far_interface + " && ip addr add " + address6 + " nodad dev " + far_interface);
}

FarHost::~FarHost() {
  {
    const std::lock_guard lock(inside_->mutex);
    inside_->stop = true;
    inside_->changed.notify_all();
  }
  inside_->thread.join();
  delete inside_;
  // The namespace would take the cable with it, but some time later.
  if (has_kernel_interface(near_interface_)) run_command("ip link del " + near_interface_ + " 2>/dev/null || true");
}

void FarHost::run(const std::function<void()>& what) {
  std::unique_lock lock(inside_->mutex);
  inside_->task = &what;
  inside_->changed.notify_all();
  inside_->changed.wait(lock, [&] { return !inside_->task; });
}

void FarHost::command(const std::string& line) {
  run([&] { run_command(line); });
}

UdpSocket::UdpSocket(const std::string& text, unsigned port) {
  const IpAddress address = IpAddress::parse(text).value();
  socket_ = ::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeval second{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(port));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  if (address.is_v4()) std::copy_n(address.v4_bytes(), 4, reinterpret_cast<uint8_t*>(&v4.sin_addr));
  std::copy_n(address.bytes.begin(), 16, reinterpret_cast<uint8_t*>(&v6.sin6_addr));
  const auto* where = address.is_v4() ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  EXPECT_EQ(connect(socket_, where, address.is_v4() ? sizeof v4 : sizeof v6), 0) << text;
}

UdpSocket::~UdpSocket() { close(socket_); }

bool UdpSocket::send(const std::string& payload) {
  return ::send(socket_, payload.data(), payload.size(), 0) == static_cast<ssize_t>(payload.size());
}

std::string UdpSocket::receive() {
  std::string payload(65536, 0);
  ssize_t size;
  do {  // the tap driver sends signals for what it receives
    size = recv(socket_, payload.data(), payload.size(), 0);
  } while (size < 0 && errno == EINTR);
  payload.resize(static_cast<size_t>(std::max<ssize_t>(0, size)));
  return payload;
}

}  // namespace viaduct::test
