#include "tests/simulation/sim_port.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/poison.h"

namespace viaduct::sim {

SimPool::SimPool(size_t packets) : buffers_(new Buffer[packets]), packets_(packets), is_free_(packets, true) {
  for (size_t i = packets; i-- > 0;) {
    packets_[i].buffer = buffers_[i].data();
    packets_[i].capacity = kCapacity;
    free_.push_back(&packets_[i]);
    poison(packets_[i].buffer, kCapacity);
  }
}

SimPool::~SimPool() {
  if (!abandoned_) {
    EXPECT_EQ(outstanding(), 0u) << "packets were not given back";
  }
  for (const Packet& packet : packets_) unpoison(packet.buffer, kCapacity);
}

Packet* SimPool::take() {
  if (free_.empty()) {
    ++refused_;
    return nullptr;
  }
  Packet* packet = free_.back();
  free_.pop_back();
  is_free_[static_cast<size_t>(packet - packets_.data())] = false;
  unpoison(packet->buffer, kCapacity);
  uint8_t* buffer = packet->buffer;
  *packet = {};
  packet->buffer = buffer;
  packet->capacity = kCapacity;
  packet->offset = kHeadroom;
  high_water_ = std::max(high_water_, outstanding());
  return packet;
}

void SimPool::give_back(Packet* packet) {
  const size_t index = static_cast<size_t>(packet - packets_.data());
  ASSERT_LT(index, packets_.size()) << "a packet of somebody else's came back";
  ASSERT_FALSE(is_free_[index]) << "a packet came back twice";
  EXPECT_EQ(packet->references, 0u) << "a packet came back while somebody held it";
  std::memset(packet->buffer, 0xdb, kCapacity);
  poison(packet->buffer, kCapacity);
  is_free_[index] = true;
  free_.push_back(packet);
}

size_t SimPort::receive(std::span<Packet*> burst) {
  size_t count = 0;
  while (count < burst.size() && !queue_.empty()) {
    const Datagram datagram = std::move(queue_.front());
    queue_.pop_front();
    Packet* packet = pool_.take();
    if (!packet || datagram.payload.size() > packet->room()) {
      ++overrun_;
      if (packet) pool_.give_back(packet);
      continue;
    }
    std::copy(datagram.payload.begin(), datagram.payload.end(), packet->data());
    packet->length = static_cast<uint16_t>(datagram.payload.size());
    packet->ecn = datagram.ecn;
    packet->path = {.local = datagram.to, .remote = datagram.from};
    burst[count++] = packet;
    ++received_;
    received_bytes_ += packet->length;
  }
  return count;
}

size_t SimPort::allocate(std::span<Packet*> burst) {
  size_t count = 0;
  while (count < burst.size() && (burst[count] = pool_.take())) ++count;
  return count;
}

size_t SimPort::send(std::span<Packet*> burst) {
  for (Packet* packet : burst) {
    const auto bytes = packet->bytes();
    EXPECT_GT(bytes.size(), 0u) << "an empty datagram was sent";
    ++sent_;
    sent_bytes_ += bytes.size();
    simulation_.send({packet->path.local, packet->path.remote, packet->ecn, {bytes.begin(), bytes.end()}});
    pool_.give_back(packet);
  }
  return burst.size();
}

void SimPort::release(std::span<Packet*> burst) {
  for (Packet* packet : burst) pool_.give_back(packet);
}

void SimPort::deliver(Datagram datagram) {
  if (queue_.size() >= kReceiveQueue) {
    ++overrun_;
    return;
  }
  queue_.push_back(std::move(datagram));
  wake();
}

}  // namespace viaduct::sim
