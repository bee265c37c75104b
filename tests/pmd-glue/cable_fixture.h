// A UDP port at one end of a cable, and the test at the other.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pmd-glue/device.h"
#include "pmd-glue/frame_port.h"
#include "pmd-glue/ip_interface.h"
#include "pmd-glue/udp_port.h"
#include "pmd-glue/verdicts.h"
#include "tests/support/frame_builder.h"

namespace viaduct::net {

using test::Frame;
using test::FrameBuilder;

// A clock that stands until it is moved.
inline Instant test_time = Instant::from_ns(1'000'000'000'000);
inline void pass(Duration duration) { test_time = test_time + duration; }

inline constexpr MacAddress kOurMac = {{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr MacAddress kPeerMac = {{0x02, 0, 0, 0, 0, 0x02}};
inline constexpr MacAddress kOtherMac = {{0x02, 0, 0, 0, 0, 0x03}};
inline const char* const kOur4 = "198.18.0.1";
inline const char* const kOur6 = "2001:db8::1";
inline const char* const kPeer4 = "198.18.0.2";
inline const char* const kPeer6 = "2001:db8::2";
inline const char* const kFar4 = "192.0.2.7";  // behind the gateway
inline const char* const kFar6 = "2001:db8:ffff::7";
inline const char* const kGateway4 = "198.18.0.254";
inline const char* const kGateway6 = "2001:db8::fe";

inline IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

inline IpInterfaceConfig plain_interface() {
  IpInterfaceConfig config;
  config.addresses = {*LocalAddress::parse("198.18.0.1/24"), *LocalAddress::parse("2001:db8::1/64")};
  config.gateway4 = ip(kGateway4);
  config.gateway6 = ip(kGateway6);
  config.udp_ports = {{443, 443}};
  config.now = [] { return test_time; };
  return config;
}

class Cable : public testing::Test {
 protected:
  void SetUp() override { open(plain_interface()); }

  void open(const IpInterfaceConfig& config, unsigned queues = 1) {
    ports_.clear();
    interface_.reset();
    ours_.reset();
    theirs_.reset();
    DeviceConfig device;
    device.queues = queues;
    device.rx_descriptors = 64;
    device.tx_descriptors = 64;
    device.held_packets = 64;
    device.mac = kOurMac;
    device.partial_checksums = partial_checksums_;
    auto ends = Device::open_cable(device);
    ASSERT_TRUE(ends.has_value()) << ends.error();
    ours_.emplace(std::move(ends->first));
    theirs_.emplace(std::move(ends->second));
    auto made = IpInterface::make(config, *ours_);
    ASSERT_TRUE(made.has_value()) << made.error();
    interface_ = std::move(*made);
    for (unsigned queue = 0; queue < queues; ++queue) {
      ports_.push_back(std::make_unique<UdpPort>(ours_->queue(queue), *interface_));
      poll(queue);  // the port announces itself
    }
    sent_frames();
  }

  UdpPort& port(unsigned queue = 0) { return *ports_[queue]; }

  // Puts a frame on the cable.
  void arrive(const Frame& frame, unsigned queue = 0) {
    Packet* packet = nullptr;
    ASSERT_EQ(theirs_->queue(queue).allocate({&packet, 1}), 1u);
    std::copy(frame.begin(), frame.end(), packet->data());
    packet->length = static_cast<uint16_t>(frame.size());
    ASSERT_EQ(theirs_->queue(queue).send({&packet, 1}), 1u);
  }
  void arrive(const FrameBuilder& frame, unsigned queue = 0) { arrive(frame.build(), queue); }

  struct Datagram {
    Path path;
    Ecn ecn;
    std::string payload;
    bool operator==(const Datagram&) const = default;
  };
  // One round of the worker: what it was given.
  std::vector<Datagram> poll(unsigned queue = 0) {
    Packet* burst[kBurst];
    const size_t count = port(queue).receive(burst);
    std::vector<Datagram> datagrams;
    for (Packet* packet : std::span(burst, count)) {
      datagrams.push_back({packet->path, packet->ecn, std::string(packet->data(), packet->data() + packet->length)});
    }
    port(queue).release({burst, count});
    return datagrams;
  }

  // What our port has put on the cable since the last call.
  std::vector<Frame> sent_frames(unsigned queue = 0) {
    std::vector<Frame> frames;
    Packet* burst[kBurst];
    while (const size_t count = theirs_->queue(queue).receive(burst)) {
      for (Packet* packet : std::span(burst, count))
        frames.emplace_back(packet->data(), packet->data() + packet->length);
      theirs_->queue(queue).release({burst, count});
    }
    return frames;
  }

  static Path path(const char* local, const char* remote, uint16_t remote_port = 5000) {
    return {{ip(local), 443}, {ip(remote), remote_port}};
  }
  // Offers one datagram to send; whether it was taken.
  bool send(const Path& path, std::string_view payload, Ecn ecn = Ecn::kNotEct, unsigned queue = 0) {
    Packet* packet = nullptr;
    if (port(queue).allocate({&packet, 1}) != 1) return false;
    std::copy(payload.begin(), payload.end(), packet->data());
    packet->length = static_cast<uint16_t>(payload.size());
    packet->path = path;
    packet->ecn = ecn;
    if (port(queue).send({&packet, 1}) == 1) return true;
    EXPECT_EQ(packet->length, payload.size());
    EXPECT_EQ(packet->offset, kHeadroom);
    port(queue).release({&packet, 1});
    return false;
  }

  uint64_t count_of(Verdict verdict, unsigned queue = 0) { return port(queue).verdicts()[verdict]; }
  void expect_all_accounted(unsigned queue = 0) {
    EXPECT_EQ(ours_->queue(queue).counters().received.load(),
              port(queue).counters().delivered.load() + port(queue).verdicts().sum());
  }

  bool partial_checksums_ = false;
  std::optional<Device> ours_, theirs_;
  std::unique_ptr<IpInterface> interface_;
  std::vector<std::unique_ptr<UdpPort>> ports_;
};

}  // namespace viaduct::net
