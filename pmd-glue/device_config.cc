#include "pmd-glue/device_config.h"

#include <charconv>
#include <vector>

namespace viaduct::net {
namespace {

constexpr const char* kExpected =
    "expected af_packet:IFACE, af_xdp:IFACE, tap:NAME, memif:server|client:SOCKET[:ID], ring, null[:SIZE], "
    "pcap:FILE[:FILE] or a PCI address such as 0000:3b:00.0";

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool read_number(const std::string& text, unsigned& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "bb:dd.f" or "dddd:bb:dd.f" in hexadecimal; the long form of it, or nothing.
std::string pci_address_of(std::string_view text) {
  const std::string full = text.size() == 7 ? "0000:" + std::string(text) : std::string(text);
  if (full.size() != 12) return "";
  const std::string_view pattern = "xxxx:xx:xx.x";
  for (size_t i = 0; i < full.size(); ++i) {
    const bool is_digit = std::string_view("0123456789abcdefABCDEF").find(full[i]) != std::string_view::npos;
    if (pattern[i] == 'x' ? !is_digit : full[i] != pattern[i]) return "";
  }
  return full;
}

bool fill_in(DeviceConfig& config, const std::vector<std::string>& parts) {
  const std::string& driver = parts[0];
  const bool has_name = parts.size() == 2 && !parts[1].empty();
  if (driver == "af_packet" || driver == "af_xdp" || driver == "tap") {
    config.driver = driver == "tap" ? Driver::kTap : driver == "af_xdp" ? Driver::kAfXdp : Driver::kAfPacket;
    if (has_name) config.interface = parts[1];
    return has_name;
  }
  if (driver == "memif") {
    config.driver = Driver::kMemif;
    if (parts.size() < 3 || parts.size() > 4 || parts[2].empty()) return false;
    config.memif_server = parts[1] == "server";
    config.memif_socket = parts[2];
    return (config.memif_server || parts[1] == "client") &&
           (parts.size() == 3 || read_number(parts[3], config.memif_id));
  }
  if (driver == "ring") {
    config.driver = Driver::kRing;
    return parts.size() == 1;
  }
  if (driver == "null") {
    config.driver = Driver::kNull;
    return parts.size() == 1 || (parts.size() == 2 && read_number(parts[1], config.null_frame_size));
  }
  if (driver == "pcap") {
    config.driver = Driver::kPcap;
    if (parts.size() < 2 || parts.size() > 3 || parts[1].empty()) return false;
    config.pcap_receive = parts[1];
    if (parts.size() == 3) config.pcap_send = parts[2];
    return true;
  }
  return false;
}

}  // namespace

std::expected<DeviceConfig, std::string> DeviceConfig::parse(std::string_view text) {
  DeviceConfig config;
  if (const std::string pci = pci_address_of(text); !pci.empty()) {
    config.driver = Driver::kPci;
    config.pci_address = pci;
    return config;
  }
  if (fill_in(config, split(text))) return config;
  return std::unexpected("no such device: \"" + std::string(text) + "\"; " + kExpected);
}

}  // namespace viaduct::net
