#include "apps/origin/capture_command.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

namespace viaduct::origin {
namespace {

using nlohmann::json;

// Where DPDK puts a process's runtime files.
std::string telemetry_socket(const std::string& prefix) {
  std::string base = "/var/run";
  if (geteuid() != 0) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    base = runtime ? runtime : "/tmp";
  }
  return base + "/dpdk/" + prefix + "/dpdk_telemetry.v2";
}

// A connection to DPDK's telemetry.
class Telemetry {
 public:
  ~Telemetry() {
    if (socket_ >= 0) close(socket_);
  }
  bool open(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.size() >= sizeof address.sun_path) return false;
    std::strcpy(address.sun_path, path.c_str());
    socket_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (socket_ < 0 || connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
    const auto greeting = receive(4096);
    limit_ = greeting ? greeting->value("max_output_len", 16384u) : 0;
    return greeting.has_value();
  }
  // The answer's content; empty where the connection broke.
  std::optional<json> ask(const std::string& command) {
    if (send(socket_, command.data(), command.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
    const auto answer = receive(limit_);
    if (!answer || !answer->is_object() || answer->empty()) return std::nullopt;
    return answer->begin().value();
  }

 private:
  std::optional<json> receive(size_t limit) {
    std::string text(limit, '\0');
    const ssize_t size = recv(socket_, text.data(), text.size(), 0);
    if (size <= 0) return std::nullopt;
    const json parsed = json::parse(text.substr(0, static_cast<size_t>(size)), nullptr, false);
    return parsed.is_discarded() ? std::nullopt : std::optional(parsed);
  }
  int socket_ = -1;
  size_t limit_ = 0;
};

int fail(const std::string& what) {
  std::cerr << "viaduct-origin: " << what << '\n';
  return 1;
}

}  // namespace

int run_capture(const CaptureOptions& options) {
  Telemetry telemetry;
  const std::string path = telemetry_socket(options.prefix);
  if (!telemetry.open(path))
    return fail(
        std::format("no origin answers at {}; is '{}' the eal.file_prefix of a running one, and may this user "
                    "talk to it?",
                    path, options.prefix));
  const std::string file = std::filesystem::absolute(options.output).string();
  auto answer = telemetry.ask(std::format("/viaduct/capture,{},{}", file, options.seconds));
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds + 10);
  while (answer && answer->is_object() && answer->value("running", 0) == 1) {
    if (std::chrono::steady_clock::now() > patience) return fail("the origin does not finish the capture");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    answer = telemetry.ask("/viaduct/capture");
  }
  if (!answer || !answer->is_object()) return fail("the origin did not answer; did it stop?");
  if (answer->contains("error")) return fail(answer->at("error").get<std::string>());
  std::cout << std::format("{} frames in {} ({} dropped)\n", answer->value("written", 0ull), options.output,
                           answer->value("dropped", 0ull));
  return 0;
}

}  // namespace viaduct::origin
