#include "apps/settings/port_settings.h"

namespace viaduct::settings {
namespace {

// As DeviceConfig::parse() writes them.
std::string device_text(const std::string& driver, const std::string& interface) {
  return interface.empty() ? driver : driver + ":" + interface;
}

void read_device(TableReader& port, PortSettings& settings) {
  std::string driver, interface, pci, arguments;
  port.text("driver", driver);
  port.text("interface", interface);
  port.text("pci", pci);
  port.text("driver_arguments", arguments);
  if (pci.empty())
    port.require("driver", "\"af_packet\", \"af_xdp\", \"tap\", \"memif\", \"ring\", \"null\" or \"pcap\"");
  if (driver.empty() && pci.empty()) return;
  auto device = net::DeviceConfig::parse(pci.empty() ? device_text(driver, interface) : pci);
  if (!device) return port.fail(pci.empty() ? "driver" : "pci", device.error());
  settings.device = *device;
  settings.device.driver_arguments = arguments;
  if (!pci.empty()) settings.eal.pci_devices.push_back(pci);
}

void read_addresses(TableReader& port, PortSettings& settings) {
  net::IpInterfaceConfig& ip = settings.addresses;
  port.require("addresses", "a list like [\"198.18.0.1/24\", \"2001:db8::1/64\"]");
  port.parsed("addresses", [&](const std::string& text) -> std::string {
    const auto address = net::LocalAddress::parse(text);
    if (!address) return "an address with its prefix length, like \"198.18.0.1/24\"";
    ip.addresses.push_back(*address);
    return {};
  });
  port.parsed("gateways", [&](const std::string& text) -> std::string {
    const auto address = IpAddress::parse(text);
    if (!address) return "an address, like \"198.18.0.254\"";
    std::optional<IpAddress>& slot = address->is_v4() ? ip.gateway4 : ip.gateway6;
    if (slot) return "one gateway of a family";
    slot = address;
    return {};
  });
}

void read_tunnels(TableReader& port, net::TunnelConfig& tunnels) {
  uint16_t gue_port = 6080;
  bool has_gue = false;
  port.parsed("tunnels", [&](const std::string& text) -> std::string {
    if (text != "ip-in-ip" && text != "gue") return "\"ip-in-ip\" or \"gue\"";
    (text == "gue" ? has_gue : tunnels.ip_in_ip) = true;
    return {};
  });
  port.number("gue_port", gue_port, 1, 65535);
  if (has_gue) tunnels.gue_port = gue_port;
  port.parsed("tunnels_from", [&](const std::string& text) -> std::string {
    const auto prefix = net::LocalAddress::parse(text);
    if (!prefix) return "an address with its prefix length, like \"10.0.0.254/32\"";
    tunnels.from.push_back(*prefix);
    return {};
  });
  if ((has_gue || tunnels.ip_in_ip) && tunnels.from.empty())
    port.fail("tunnels_from", "is missing; expected who may send tunnelled packets, like [\"10.0.0.254/32\"]");
}

// What an origin behind a balancer takes.
void read_balancer(TableReader& port, net::IpInterfaceConfig& ip) {
  port.parsed("service_addresses", [&](const std::string& text) -> std::string {
    const auto address = IpAddress::parse(text);
    if (!address) return "an address, like \"192.0.2.1\"";
    ip.service_addresses.push_back(*address);
    return {};
  });
  read_tunnels(port, ip.tunnels);
}

void read_one_port(TableReader& port, PortSettings& settings) {
  read_device(port, settings);
  read_addresses(port, settings);
  read_balancer(port, settings.addresses);
  port.number("mtu", settings.device.mtu, 1280, 9216);
  port.number("rx_descriptors", settings.device.rx_descriptors, 64, 32768);
  port.number("tx_descriptors", settings.device.tx_descriptors, 64, 32768);
  port.flag("promiscuous", settings.device.promiscuous);
  port.flag("partial_checksums", settings.device.partial_checksums);
  uint16_t vlan = 0;
  port.number("vlan", vlan, 1, 4094);
  if (vlan != 0) settings.addresses.vlan = vlan;
  port.number("echo_per_second", settings.addresses.echo_per_second, 0, 1'000'000);
  port.number("neighbours", settings.addresses.neighbours, 1, 65536);
}

}  // namespace

void read_port(TableReader& top, PortSettings& settings) {
  unsigned ports = 0;
  top.require("port", "[[port]] with a driver and addresses");
  top.tables("port", [&](TableReader& port) {
    if (++ports > 1) port.fail("driver", "expected one [[port]]: a process serves one network device");
    read_one_port(port, settings);
  });
}

void read_eal(TableReader& top, net::EalConfig& config) {
  static constexpr std::string_view kHugepages[] = {"auto", "off", "on"};
  top.table("eal", [&](TableReader& eal) {
    eal.text("file_prefix", config.file_prefix);
    if (config.file_prefix.empty() || config.file_prefix.contains('/'))
      eal.fail("file_prefix", "expected a name without slashes");
    if (const auto pages = eal.choice("hugepages", kHugepages)) config.hugepages = static_cast<net::Hugepages>(*pages);
    eal.number("memory_mb", config.memory_mb, 0, 1 << 20);
    eal.text("log_level", config.log_level);
    eal.texts("arguments", config.extra_arguments);
  });
}

void read_workers(TableReader& top, WorkerSettings& settings, net::DeviceConfig& device) {
  static constexpr std::string_view kIdle[] = {"adaptive", "poll"};
  static constexpr std::string_view kPinning[] = {"auto", "always", "never"};
  top.number("workers", settings.workers, 1, 64);
  if (const auto idle = top.choice("idle", kIdle)) {
    settings.idle = *idle == 0 ? IdlePolicy::kAdaptive : IdlePolicy::kPoll;
    device.idle = *idle == 0 ? net::IdlePolicy::kAdaptive : net::IdlePolicy::kPoll;
  }
  if (const auto pinning = top.choice("pin", kPinning)) {
    settings.pin_always = *pinning == 1;
    settings.pin_never = *pinning == 2;
  }
  device.queues = settings.workers;
}

void read_log(TableReader& top, LogSettings& settings) {
  static constexpr std::string_view kLevels[] = {"error", "warning", "info", "debug"};
  top.table("log", [&](TableReader& log) {
    if (const auto level = log.choice("level", kLevels)) settings.level = *parse_log_level(kLevels[*level]);
    log.text("file", settings.file);
    log.duration("interval", settings.interval, Duration(), Duration::seconds(86400));
  });
}

}  // namespace viaduct::settings
