#include "pmd-glue/frame_port.h"

#include <poll.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sys/socket.h>

#include <algorithm>

#include "pmd-glue/capture_ring.h"
#include "pmd-glue/device_core.h"
#include "pmd-glue/lcore_usage.h"
#include "pmd-glue/mbuf.h"
#include "pmd-glue/verdicts.h"
#include "pmd-glue/wire.h"

namespace viaduct::net {
namespace {

constexpr size_t kLargestBurst = 2 * kBurst;
constexpr uint64_t kSampleEvery = 1024;  // bursts between two looks at the pool

void bump(std::atomic<uint64_t>& counter, uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// What the device says about checksums, in our flags.
uint8_t checksum_flags(uint64_t offload) {
  uint8_t flags = 0;
  const uint64_t ip = offload & RTE_MBUF_F_RX_IP_CKSUM_MASK, udp = offload & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD) flags |= FramePort::kIpChecksumGood;
  if (ip == RTE_MBUF_F_RX_IP_CKSUM_BAD) flags |= FramePort::kIpChecksumBad;
  if (udp == RTE_MBUF_F_RX_L4_CKSUM_GOOD) flags |= FramePort::kUdpChecksumGood;
  if (udp == RTE_MBUF_F_RX_L4_CKSUM_BAD) flags |= FramePort::kUdpChecksumBad;
  return flags;
}

// Asks the device for the checksums of the UDP datagram in the frame.
void request_checksums(rte_mbuf* mbuf, const uint8_t* frame) {
  mbuf->l2_len = load_u16(frame + 12) == kEtherTypeVlan ? kEthernetHeader + kVlanTag : kEthernetHeader;
  const bool is_v6 = frame[mbuf->l2_len] >> 4 == 6;
  mbuf->l3_len = is_v6 ? kIpv6Header : kIpv4Header;
  mbuf->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM | (is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
}

// Makes the packet a view of what is in its mbuf.
Packet* view(rte_mbuf* mbuf) {
  Packet* packet = packet_of(mbuf);
  packet->buffer = static_cast<uint8_t*>(mbuf->buf_addr);
  packet->capacity = mbuf->buf_len;
  packet->offset = mbuf->data_off;
  packet->length = mbuf->data_len;
  packet->ecn = Ecn::kNotEct;
  packet->references = 0;
  return packet;
}

// Where a frame begins is in its mbuf, which has to come from memory itself: this takes it from how our pools are laid
// out, so that all comes at once.
void prefetch(rte_mbuf* mbuf) {
  rte_prefetch0(mbuf);
  rte_prefetch0(packet_of(mbuf));
  rte_prefetch0(reinterpret_cast<char*>(mbuf) + sizeof(rte_mbuf) + kMbufPrivate + RTE_PKTMBUF_HEADROOM);
}

}  // namespace

FramePort::FramePort(Device::Core& device, unsigned queue, int rx_socket, bool always_poll)
    : device_(device),
      queue_(queue),
      port_id_(device.port_id),
      receive_checksums_(device.receive_checksums),
      send_checksums_(device.config.partial_checksums ? ChecksumFilling::kPartial
                      : device.send_checksums         ? ChecksumFilling::kDevice
                                                      : ChecksumFilling::kSoftware),
      is_virtual_(device.config.is_virtual()),
      round_start_(rte_rdtsc()),
      tx_socket_(device.config.driver == Driver::kAfPacket ? rx_socket : -1),
      sleeper_(rx_socket, always_poll) {}

FramePort::~FramePort() { forget_lcore_usage(counters_); }

const std::string& FramePort::device_name() const { return device_.name; }
const MacAddress& FramePort::mac() const { return device_.mac; }
uint16_t FramePort::mtu() const { return device_.mtu; }

size_t FramePort::receive(std::span<Packet*> burst) {
  account_round();
  rte_mbuf* mbufs[kLargestBurst];
  const uint16_t room = static_cast<uint16_t>(std::min(burst.size(), kLargestBurst));
  const uint16_t received = rte_eth_rx_burst(port_id_, static_cast<uint16_t>(queue_), mbufs, room);
  if (received == 0) return 0;
  moved_ = true;
  sleeper_.note_work();
  bump(counters_.received, received);
  if (++bursts_ % kSampleEvery == 0) device_.pool->sample();

  for (uint16_t i = 0; i < received; ++i) prefetch(mbufs[i]);
  size_t count = 0;
  for (uint16_t i = 0; i < received; ++i) {
    if (mbufs[i]->nb_segs != 1) {
      verdicts_.count(kFrameInPieces);
      rte_pktmbuf_free(mbufs[i]);
      continue;
    }
    Packet* packet = view(mbufs[i]);
    packet->flags = checksum_flags(mbufs[i]->ol_flags);
    burst[count++] = packet;
  }
  if (capturing_.load(std::memory_order_acquire)) capture_->copy(burst.first(count), CaptureRing::kInbound);
  return count;
}

size_t FramePort::allocate(std::span<Packet*> burst) {
  rte_mbuf* mbufs[kLargestBurst];
  size_t count = std::min(burst.size(), kLargestBurst);
  if (rte_pktmbuf_alloc_bulk(device_.pool->mempool(), mbufs, static_cast<unsigned>(count)) != 0) {
    device_.pool->note_refused();
    const size_t wanted = count;
    for (count = 0; count < wanted; ++count) {
      if (!(mbufs[count] = rte_pktmbuf_alloc(device_.pool->mempool()))) break;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    burst[i] = view(mbufs[i]);
    burst[i]->flags = 0;
  }
  return count;
}

size_t FramePort::send(std::span<Packet*> burst) {
  const uint16_t offered = static_cast<uint16_t>(std::min(burst.size(), kLargestBurst));
  if (offered == 0 || !has_send_room()) return 0;
  rte_mbuf* mbufs[kLargestBurst];
  for (uint16_t i = 0; i < offered; ++i) {
    Packet* packet = burst[i];
    rte_mbuf* mbuf = mbufs[i] = mbuf_of(packet);
    mbuf->data_off = packet->offset;
    mbuf->data_len = packet->length;
    mbuf->pkt_len = packet->length;
    mbuf->ol_flags = 0;
    if (packet->flags & kFillChecksums) request_checksums(mbuf, packet->data());
  }
  if (capturing_.load(std::memory_order_acquire)) capture_->copy(burst.first(offered), CaptureRing::kOutbound);
  const uint16_t sent = rte_eth_tx_burst(port_id_, static_cast<uint16_t>(queue_), mbufs, offered);
  if (sent > 0) {
    moved_ = true;
    unkicked_ = tx_socket_ >= 0;
    sleeper_.note_work();
    bump(counters_.sent, sent);
  }
  if (sent < offered) bump(counters_.send_refused, 1);
  return sent;
}

// The af_packet driver would wait in the kernel until its ring has room; this asks first.
bool FramePort::has_send_room() {
  if (tx_socket_ < 0) return true;
  pollfd descriptor{tx_socket_, POLLOUT, 0};
  if (poll(&descriptor, 1, 0) > 0 && (descriptor.revents & POLLOUT)) return true;
  bump(counters_.send_refused, 1);
  return false;
}

void FramePort::release(std::span<Packet*> burst) {
  while (!burst.empty()) {
    rte_mbuf* mbufs[kLargestBurst];
    const size_t count = std::min(burst.size(), kLargestBurst);
    for (size_t i = 0; i < count; ++i) mbufs[i] = mbuf_of(burst[i]);
    rte_pktmbuf_free_bulk(mbufs, static_cast<unsigned>(count));
    burst = burst.subspan(count);
  }
}

void FramePort::wait(Instant deadline) {
  if (!in_lcore_usage_) in_lcore_usage_ = add_lcore_usage(counters_);
  // The kernel may have left frames of the last burst in af_packet's ring when its own buffers were full.
  if (unkicked_) {
    unkicked_ = false;
    send_socket_kick();
  }
  account_round();
  sleeper_.wait(deadline);
  account_round();
}

void FramePort::send_socket_kick() {
  [[maybe_unused]] const ssize_t sent = ::send(tx_socket_, nullptr, 0, MSG_DONTWAIT);
}

// Books the time since the last call as busy if frames were moved in it.
void FramePort::account_round() {
  const uint64_t now = rte_rdtsc();
  bump(counters_.total_cycles, now - round_start_);
  if (moved_) bump(counters_.busy_cycles, now - round_start_);
  moved_ = false;
  round_start_ = now;
}

}  // namespace viaduct::net
