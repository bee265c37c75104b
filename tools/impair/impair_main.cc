// viaduct-impair: a cable with faults between two network interfaces.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <iostream>

#include "base/clock.h"
#include "pmd-glue/device.h"
#include "pmd-glue/eal.h"
#include "tools/impair/control.h"
#include "tools/impair/link_words.h"

namespace viaduct::impair {
namespace {

struct Options {
  std::string left, right, forward, back, both;
  std::string prefix = "viaduct-impair";
  uint64_t seed = 1;
};

std::atomic<bool> stop{false};

int fail(const std::string& what) {
  std::cerr << "viaduct-impair: " << what << '\n';
  return 1;
}

// How long it looks around after a frame, and how long it sleeps at most: there are two ports and it can only wait for
// one, so that a frame at the other may come so much late.
constexpr Duration kSpin = Duration::microseconds(50);
constexpr Duration kSleep = Duration::microseconds(250);

// Rounds between two looks at the orders while frames move.
constexpr unsigned kRounds = 256;

// Times of the links start at zero.
void run(Box& box, net::FramePort& left) {
  OrderReader orders(STDIN_FILENO);
  const Instant start = MonotonicClock::now();
  Instant last_busy = start;
  for (unsigned round = 0; !stop; ++round) {
    const Instant now = MonotonicClock::now();
    if (round % kRounds == 0) orders.poll(box);
    if (box.round(Instant() + (now - start))) {
      last_busy = now;
    } else if (now - last_busy > kSpin) {
      orders.poll(box);
      left.wait(std::min(now + kSleep, box.next() + (start - Instant())));
    }
  }
}

std::string set_links(Box& box, const Options& options) {
  const std::pair<const char*, const std::string&> links[] = {
      {"both", options.both}, {"forward", options.forward}, {"back", options.back}};
  for (const auto& [verb, link] : links) {
    if (link.empty()) continue;
    const std::string answer = obey(box, std::string(verb) + " " + link);
    if (answer != "ok") return std::string("--") + verb + ": " + answer;
  }
  return {};
}

std::expected<net::Device, std::string> open(const std::string& name) {
  auto config = net::DeviceConfig::parse(name);
  if (!config) return std::unexpected(config.error());
  config->held_packets = Way::kMaxWaiting;
  config->promiscuous = true;
  return net::Device::open(*config);
}

int serve(const Options& options) {
  net::EalConfig eal_config;
  eal_config.program = "viaduct-impair";
  eal_config.file_prefix = options.prefix;
  eal_config.hugepages = net::Hugepages::kOff;
  eal_config.telemetry = false;
  auto eal = net::Eal::start(eal_config);
  if (!eal) return fail(eal.error());
  auto left = open(options.left), right = open(options.right);
  if (!left) return fail("--left: " + left.error());
  if (!right) return fail("--right: " + right.error());
  Box box(left->queue(0), right->queue(0), options.seed);
  if (const std::string problem = set_links(box, options); !problem.empty()) return fail(problem);
  std::cout << "ready" << std::endl;
  run(box, left->queue(0));
  std::cout << counters_of(box) << std::endl;
  return 0;
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "A cable with faults between two network interfaces, for tests. UDP datagrams take the faults; every\n"
      "other frame is sent on as it came. SIGTERM ends it; the last line is its counters, as JSON."};
  app.set_version_flag("--version", std::string("viaduct-impair ") + VIADUCT_VERSION);
  app.footer(link_help() + "\n" + kOrdersHelp);
  app.add_option("--left", options.left, "The port on the client's side, like af_packet:eth0")->required();
  app.add_option("--right", options.right, "The port on the server's side")->required();
  app.add_option("--forward", options.forward, "LINK from left to right");
  app.add_option("--back", options.back, "LINK from right to left");
  app.add_option("--both", options.both, "LINK both ways");
  app.add_option("--seed", options.seed, "Of all that is drawn at random")->capture_default_str();
  app.add_option("--prefix", options.prefix, "Name of DPDK's runtime folder, one for each process")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { stop = true; });
  std::signal(SIGINT, [](int) { stop = true; });
  return serve(options);
}

}  // namespace
}  // namespace viaduct::impair

int main(int argc, char** argv) { return viaduct::impair::main(argc, argv); }
