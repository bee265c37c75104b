#include "pmd-glue/device.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "pmd-glue/device_core.h"
#include "pmd-glue/driver_arguments.h"
#include "pmd-glue/driver_sockets.h"
#include "pmd-glue/kernel_interface.h"
#include "pmd-glue/libxdp_path.h"

namespace viaduct::net {
namespace {

constexpr uint16_t kDefaultMtu = 1500;
constexpr uint16_t kLeastMtu = 1280;  // QUIC needs 1,200 bytes of payload, IPv6 this
constexpr uint16_t kLargestMtu = 9600;
constexpr unsigned kLargestQueues = 64;

std::atomic<unsigned> next_number{0};

bool uses_kernel_interface(Driver driver) { return driver == Driver::kAfPacket || driver == Driver::kAfXdp; }

unsigned packets_for(const DeviceConfig& config) {
  const unsigned per_queue =
      config.rx_descriptors + config.tx_descriptors + config.held_packets + 4 * kBurst + PacketPool::kCache;
  return config.queues * per_queue + PacketPool::kCache;
}

// The MTU to use, or why there is none.
std::expected<uint16_t, std::string> resolve_mtu(const DeviceConfig& config) {
  uint16_t mtu = config.mtu == 0 ? kDefaultMtu : config.mtu;
  if (uses_kernel_interface(config.driver)) {
    if (!has_kernel_interface(config.interface)) {
      return std::unexpected("no interface \"" + config.interface + "\" in this network namespace (see: ip link)");
    }
    const uint16_t kernel = kernel_interface_mtu(config.interface).value_or(kDefaultMtu);
    if (config.mtu == 0) mtu = std::min(kernel, kLargestMtu);
    if (mtu > kernel) {
      return std::unexpected("an MTU of " + std::to_string(mtu) + " is more than the interface's " +
                             std::to_string(kernel) + " (ip link set " + config.interface + " mtu " +
                             std::to_string(mtu) + ")");
    }
  }
  if (mtu < kLeastMtu || mtu > kLargestMtu) {
    return std::unexpected("an MTU of " + std::to_string(mtu) + " is not between 1280 and 9600");
  }
  return mtu;
}

std::string problem_of(const DeviceConfig& config) {
  if (config.queues == 0 || config.queues > kLargestQueues) return "a device has 1 to 64 queues";
  if (config.queues > 1 && (config.driver == Driver::kTap || config.driver == Driver::kPcap)) {
    return "this driver has one queue only";
  }
  if (config.partial_checksums && config.driver != Driver::kMemif && config.driver != Driver::kRing) {
    return "partial checksums are for memif and ring, whose frames stay in memory";
  }
  return "";
}

std::string probe_failure(const DeviceConfig& config, int error) {
  std::string text = std::string("the driver refused it: ") + rte_strerror(error < 0 ? -error : rte_errno);
  switch (config.driver) {
    case Driver::kAfPacket:
      return text + (geteuid() != 0 ? "; packet sockets need CAP_NET_RAW (run as root)"
                                    : "; is the af_packet driver's package installed (librte-net-af-packet)?");
    case Driver::kAfXdp:
      return text + "; it needs CAP_NET_ADMIN and CAP_BPF, and LIBXDP_OBJECT_PATH where xsk_def_xdp_prog.o is";
    case Driver::kTap:
      return text + "; it needs CAP_NET_ADMIN and /dev/net/tun";
    case Driver::kPci:
      return text + "; is it bound to vfio-pci (dpdk-devbind.py --status) and among the EAL's PCI devices?";
    default:
      return text;
  }
}

MacAddress made_up_mac(uint16_t port_id) {
  const unsigned process = static_cast<unsigned>(getpid());
  return {{0x02, 0x56, static_cast<uint8_t>(process >> 16), static_cast<uint8_t>(process >> 8),
           static_cast<uint8_t>(process), static_cast<uint8_t>(port_id)}};
}

// Ours where it is configured or where the driver's cannot be used: a tap has its kernel side's address.
MacAddress mac_of(const DeviceConfig& config, uint16_t port_id) {
  rte_ether_addr address{};
  rte_eth_macaddr_get(port_id, &address);
  MacAddress mac;
  std::memcpy(mac.bytes.data(), address.addr_bytes, 6);
  if (config.mac) {
    std::memcpy(address.addr_bytes, config.mac->bytes.data(), 6);
    if (!config.is_virtual()) rte_eth_dev_default_mac_addr_set(port_id, &address);
    return *config.mac;
  }
  return mac.is_zero() || config.driver == Driver::kTap ? made_up_mac(port_id) : mac;
}

rte_eth_conf port_configuration(const DeviceConfig& config, const rte_eth_dev_info& info, uint16_t mtu) {
  rte_eth_conf conf{};
  if (!config.is_virtual()) conf.rxmode.mtu = mtu;
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
  conf.txmode.offloads = info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
  constexpr uint64_t kHash = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
  if (config.queues > 1 && (info.flow_type_rss_offloads & kHash)) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & kHash;
  }
  return conf;
}

// Configures and starts the port's queues. An empty string, or what went wrong.
std::string start_port(Device::Core& core) {
  const DeviceConfig& config = core.config;
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(core.port_id, &info) != 0) return "the driver does not describe the device";
  if (config.queues > std::min(info.max_rx_queues, info.max_tx_queues)) {
    return "it has " + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) + " queues, fewer than workers";
  }
  const rte_eth_conf conf = port_configuration(config, info, core.mtu);
  const uint16_t queues = static_cast<uint16_t>(config.queues);
  if (const int error = rte_eth_dev_configure(core.port_id, queues, queues, &conf); error != 0) {
    return std::string("it could not be configured: ") + rte_strerror(-error);
  }
  uint16_t rx_descriptors = static_cast<uint16_t>(config.rx_descriptors);
  uint16_t tx_descriptors = static_cast<uint16_t>(config.tx_descriptors);
  rte_eth_dev_adjust_nb_rx_tx_desc(core.port_id, &rx_descriptors, &tx_descriptors);
  const unsigned node = static_cast<unsigned>(core.numa_node);
  for (uint16_t queue = 0; queue < queues; ++queue) {
    int error = rte_eth_rx_queue_setup(core.port_id, queue, rx_descriptors, node, nullptr, core.pool->mempool());
    if (error == 0) error = rte_eth_tx_queue_setup(core.port_id, queue, tx_descriptors, node, nullptr);
    if (error != 0) return "queue " + std::to_string(queue) + " could not be set up: " + rte_strerror(-error);
  }
  if (const int error = rte_eth_dev_start(core.port_id); error != 0) {
    return std::string("it could not be started: ") + rte_strerror(-error);
  }
  core.started = true;
  core.receive_checksums = conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
  core.send_checksums = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0 &&
                        (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  // Neighbour discovery comes to multicast groups; drivers that cannot filter receive them anyway.
  rte_eth_allmulticast_enable(core.port_id);
  if (config.promiscuous) rte_eth_promiscuous_enable(core.port_id);
  return "";
}

// Makes the port of each queue once the device runs.
void make_queues(Device::Core& core, const std::vector<int>& sockets) {
  const bool poll =
      core.config.idle == IdlePolicy::kPoll || (core.config.idle == IdlePolicy::kAuto && !core.config.is_virtual());
  for (unsigned queue = 0; queue < core.config.queues; ++queue) {
    const int socket = sockets.empty() ? -1 : sockets[queue];
    core.queues.push_back(std::make_unique<FramePort>(core, queue, socket, poll));
  }
}

// The parts of opening that all drivers have in common, from a probed port on.
std::string finish_open(Device::Core& core, const std::set<int>& sockets_before) {
  core.mac = mac_of(core.config, core.port_id);
  if (const std::string problem = start_port(core); !problem.empty()) return problem;
  make_queues(core, driver_sockets_since(sockets_before, core.config.queues));
  return "";
}

std::string ring_name() { return "viaduct-ring-" + std::to_string(next_number++); }

// A ring for each queue. False when there is no memory.
bool make_rings(Rings& rings, const DeviceConfig& config) {
  for (unsigned queue = 0; queue < config.queues; ++queue) {
    const unsigned size = std::max(config.rx_descriptors, 64u);
    rte_ring* ring =
        rte_ring_create(ring_name().c_str(), size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (!ring) return false;
    rings.rings.push_back(ring);
  }
  return true;
}

std::expected<std::unique_ptr<Device::Core>, std::string> open_ring(const DeviceConfig& config,
                                                                    std::shared_ptr<PacketPool> pool,
                                                                    std::shared_ptr<Rings> rings, unsigned receive_at,
                                                                    unsigned send_at) {
  auto core = std::make_unique<Device::Core>();
  core->config = config;
  core->name = "ring";
  core->mtu = config.mtu == 0 ? kDefaultMtu : config.mtu;
  core->pool = std::move(pool);
  core->rings = rings;
  const std::string name = "viaduct" + std::to_string(next_number++);
  const int port = rte_eth_from_rings(name.c_str(), rings->rings.data() + receive_at, config.queues,
                                      rings->rings.data() + send_at, config.queues, 0);
  if (port < 0) return std::unexpected(std::string("the ring driver refused it: ") + rte_strerror(rte_errno));
  core->port_id = static_cast<uint16_t>(port);
  if (const std::string problem = finish_open(*core, open_driver_sockets()); !problem.empty()) {
    return std::unexpected(problem);
  }
  return core;
}

std::unexpected<std::string> about(const DeviceConfig& config, const std::string& problem) {
  return std::unexpected("device " + display_name(config) + ": " + problem);
}

}  // namespace

Rings::~Rings() {
  for (rte_ring* ring : rings) rte_ring_free(ring);
}

Device::Core::~Core() {
  queues.clear();
  if (name.empty()) return;
  rte_eth_dev_info info{};
  const bool described = rte_eth_dev_info_get(port_id, &info) == 0;
  if (started) rte_eth_dev_stop(port_id);
  rte_eth_dev_close(port_id);
  if (described && config.is_virtual()) rte_dev_remove(info.device);
}

Device::Device(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Device::Device(Device&&) noexcept = default;
Device& Device::operator=(Device&&) noexcept = default;
Device::~Device() = default;

std::expected<Device, std::string> Device::open(const DeviceConfig& config) {
  if (const std::string problem = problem_of(config); !problem.empty()) return about(config, problem);
  const auto mtu = resolve_mtu(config);
  if (!mtu) return about(config, mtu.error());
  auto pool = PacketPool::make(packets_for(config), data_room_for(config, *mtu), SOCKET_ID_ANY);
  if (!pool) return about(config, pool.error());

  if (config.driver == Driver::kRing) {
    auto rings = std::make_shared<Rings>();
    if (!make_rings(*rings, config)) return about(config, "no memory for its rings");
    auto core = open_ring(config, *pool, rings, 0, 0);
    if (!core) return about(config, core.error());
    return Device(std::move(*core));
  }

  if (config.driver == Driver::kAfXdp) point_libxdp_to_its_objects();
  const std::set<int> sockets_before = open_driver_sockets();
  const std::string text = driver_string(config, next_number++, *mtu);
  if (const int error = rte_dev_probe(text.c_str()); error != 0) return about(config, probe_failure(config, error));
  auto core = std::make_unique<Core>();
  core->config = config;
  core->mtu = *mtu;
  core->pool = *pool;
  if (rte_eth_dev_get_port_by_name(text.substr(0, text.find(',')).c_str(), &core->port_id) != 0) {
    return about(config, "the driver made no network device of it");
  }
  core->name = display_name(config);
  core->numa_node = rte_eth_dev_socket_id(core->port_id);
  if (const std::string problem = finish_open(*core, sockets_before); !problem.empty()) return about(config, problem);
  return Device(std::move(core));
}

std::expected<std::pair<Device, Device>, std::string> Device::open_cable(const DeviceConfig& given) {
  DeviceConfig config = given;
  config.driver = Driver::kRing;
  if (const std::string problem = problem_of(config); !problem.empty()) return about(config, problem);
  const auto mtu = resolve_mtu(config);
  if (!mtu) return about(config, mtu.error());
  auto pool = PacketPool::make(2 * packets_for(config), data_room_for(config, *mtu), SOCKET_ID_ANY);
  if (!pool) return about(config, pool.error());
  auto rings = std::make_shared<Rings>();
  if (!make_rings(*rings, config) || !make_rings(*rings, config)) return about(config, "no memory for its rings");
  auto left = open_ring(config, *pool, rings, 0, config.queues);
  if (!left) return about(config, left.error());
  auto right = open_ring(config, *pool, rings, config.queues, 0);
  if (!right) return about(config, right.error());
  return std::pair(Device(std::move(*left)), Device(std::move(*right)));
}

size_t Device::memory_needed(const DeviceConfig& config) {
  const uint16_t mtu = config.mtu == 0 ? kDefaultMtu : config.mtu;
  constexpr size_t kDriverQueues = 1 << 20;  // descriptors and the driver's own
  return packets_for(config) * PacketPool::bytes_for(data_room_for(config, mtu)) + config.queues * kDriverQueues;
}

FramePort& Device::queue(unsigned index) { return *core_->queues[index]; }
unsigned Device::queues() const { return static_cast<unsigned>(core_->queues.size()); }
const std::string& Device::name() const { return core_->name; }
const MacAddress& Device::mac() const { return core_->mac; }
uint16_t Device::mtu() const { return core_->mtu; }
uint16_t Device::port_id() const { return core_->port_id; }
int Device::numa_node() const { return core_->numa_node; }
PoolGauge Device::pool() const { return core_->pool->gauge(); }

LinkState Device::link() const {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(core_->port_id, &link) != 0) return {};
  const bool known = link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN && link.link_speed != RTE_ETH_SPEED_NUM_NONE;
  return {link.link_status == RTE_ETH_LINK_UP, known ? link.link_speed : 0};
}

DeviceStatistics Device::statistics() const {
  rte_eth_stats s{};
  rte_eth_stats_get(core_->port_id, &s);
  return {s.ipackets, s.opackets, s.ibytes, s.obytes, s.imissed, s.ierrors, s.oerrors, s.rx_nombuf};
}

std::vector<std::pair<std::string, uint64_t>> Device::extended_statistics() const {
  const int count = rte_eth_xstats_get(core_->port_id, nullptr, 0);
  if (count <= 0) return {};
  const unsigned size = static_cast<unsigned>(count);
  std::vector<rte_eth_xstat> values(size);
  std::vector<rte_eth_xstat_name> names(size);
  if (rte_eth_xstats_get(core_->port_id, values.data(), size) != count ||
      rte_eth_xstats_get_names(core_->port_id, names.data(), size) != count) {
    return {};
  }
  std::vector<std::pair<std::string, uint64_t>> all;
  for (const rte_eth_xstat& value : values) all.emplace_back(names[value.id].name, value.value);
  return all;
}

}  // namespace viaduct::net
