// One queue of a device as a packet port of whole Ethernet frames.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/instant.h"
#include "base/packet.h"
#include "base/packet_port.h"
#include "base/verdict.h"
#include "pmd-glue/device.h"
#include "pmd-glue/mac_address.h"
#include "pmd-glue/sleeper.h"

namespace viaduct::net {

class CaptureRing;

// What a queue did, for telemetry; written by its worker, read by any thread.
struct FramePortCounters {
  std::atomic<uint64_t> received{0};      // frames that the driver gave us
  std::atomic<uint64_t> sent{0};          // frames that the driver took
  std::atomic<uint64_t> send_refused{0};  // times that the driver took less than was offered
  std::atomic<uint64_t> busy_cycles{0};   // of rounds that moved a frame
  std::atomic<uint64_t> total_cycles{0};
};

// A PacketPort (base/packet_port.h) of whole frames. A Packet lives in its mbuf's private area. Packets of one device's
// queues may be sent or released through any of them.
class FramePort {
 public:
  FramePort(Device::Core& device, unsigned queue, int rx_socket, bool always_poll);
  ~FramePort();
  FramePort(const FramePort&) = delete;
  FramePort& operator=(const FramePort&) = delete;

  size_t receive(std::span<Packet*> burst);
  size_t allocate(std::span<Packet*> burst);
  size_t send(std::span<Packet*> burst);
  void release(std::span<Packet*> burst);
  void wait(Instant deadline);
  void wake() { sleeper_.wake(); }

  unsigned queue() const { return queue_; }
  const std::string& device_name() const;
  const MacAddress& mac() const;
  uint16_t mtu() const;
  // True where the device verifies UDP and IPv4 checksums (as the packet's flags say).
  bool receive_checksums() const { return receive_checksums_; }
  ChecksumFilling send_checksums() const { return send_checksums_; }
  // True on drivers that move frames in memory, where a partial checksum stands for a good one.
  bool is_virtual() const { return is_virtual_; }
  // Verdicts of the frames that ended on this floor, those of a UdpPort on top included.
  VerdictCounters& verdicts() { return verdicts_; }
  const VerdictCounters& verdicts() const { return verdicts_; }
  const FramePortCounters& counters() const { return counters_; }

  // Bits of Packet::flags. On receive: what the device found out.
  static constexpr uint8_t kIpChecksumGood = 0x01;
  static constexpr uint8_t kUdpChecksumGood = 0x02;
  static constexpr uint8_t kIpChecksumBad = 0x04;
  static constexpr uint8_t kUdpChecksumBad = 0x08;
  // To send: the device is to fill in the checksums of a UDP datagram; its UDP checksum field holds the sum of the
  // pseudo-header. Where the headers lie is found in the frame.
  static constexpr uint8_t kFillChecksums = 0x10;

 private:
  friend class Capture;
  void account_round();
  bool has_send_room();
  void send_socket_kick();

  Device::Core& device_;
  const unsigned queue_;
  const uint16_t port_id_;
  bool receive_checksums_ = false;
  ChecksumFilling send_checksums_ = ChecksumFilling::kSoftware;
  bool is_virtual_ = false;
  bool moved_ = false;     // a frame in this round
  bool unkicked_ = false;  // sent since the driver's socket was last told to go on
  bool in_lcore_usage_ = false;
  uint64_t bursts_ = 0;
  uint64_t round_start_ = 0;
  const int tx_socket_;  // of a driver whose send would block when its ring is full, or -1
  Sleeper sleeper_;
  FramePortCounters counters_;
  VerdictCounters verdicts_;
  std::atomic<bool> capturing_{false};
  std::unique_ptr<CaptureRing> capture_;
};

static_assert(PacketPort<FramePort>);

}  // namespace viaduct::net
